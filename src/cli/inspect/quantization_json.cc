#include "cli/inspect/quantization_json.h"

#include <fmt/format.h>

#include "base/dtype.h"

namespace fathom::cli {
namespace {

using checkpoint::ErrorRates;
using checkpoint::KindStudy;
using checkpoint::QuantizationStudy;
using checkpoint::StudySums;
using checkpoint::TensorStudy;

io::JsonObject rates_object(const ErrorRates& rates) {
  io::JsonObject object;
  for (const auto& [name, member] : kStudyRates) object.set(name, rates.*member);
  return object;
}

io::JsonObject scheme_objects(const QuantizationStudy& study, const StudySums& sums) {
  io::JsonObject object;
  for (size_t i = 0; i < study.schemes.size(); ++i) {
    object.set(std::string(study.schemes[i].name), rates_object(error_rates(sums, i)));
  }
  return object;
}

io::JsonObject sums_object(const QuantizationStudy& study, const StudySums& sums) {
  io::JsonObject object;
  const ops::MagnitudeSums& x = sums.magnitudes;
  object.set("tensors", sums.tensors);
  object.set("numbers", x.numbers);
  object.set("zeros", x.zeros);
  object.set("not_measured", x.not_measured);
  object.set("amax", static_cast<double>(sums.amax));
  object.set("mean_abs", x.numbers > 0 ? x.abs_value / static_cast<double>(x.numbers) : 0.0);
  object.set("schemes", scheme_objects(study, sums));
  return object;
}

io::JsonArray texts(const std::vector<std::string>& lines) {
  io::JsonArray array;
  for (const std::string& line : lines) array.emplace_back(line);
  return array;
}

}  // namespace

io::JsonArray scheme_names(const checkpoint::QuantizationStudy& study) {
  io::JsonArray names;
  for (const checkpoint::QuantizationScheme& scheme : study.schemes)
    names.emplace_back(scheme.name);
  return names;
}

std::vector<std::string> quantization_notes(const QuantizationStudy& study) {
  std::vector<std::string> notes;
  std::string types;
  for (const auto& [dtype, count] : study.by_dtype) {
    types += fmt::format("{}{} in {}", types.empty() ? "" : ", ", count, dtype_name(dtype));
  }
  notes.push_back(fmt::format("stored: {}", types));
  if (study.by_dtype.contains(DType::kF8E4M3)) {
    notes.emplace_back(
        "matrices stored in FP8 were dequantised first: their errors come on top of that rounding, "
        "and e4m3-block finds its own grid again");
  }
  if (study.by_dtype.contains(DType::kI32)) {
    notes.emplace_back(
        "matrices packed as integers (I32) were dequantised first: their errors come on top of "
        "that "
        "rounding");
  }
  if (study.by_dtype.contains(DType::kBF16)) {
    notes.emplace_back(
        "matrices stored in BF16 are exact in bf16; errors of the others are against those values");
  }
  if (study.num_vectors > 0) {
    notes.push_back(fmt::format("{} vectors (norms, biases) are never quantised: not measured",
                                study.num_vectors));
  }
  return notes;
}

io::JsonValue quantization_json(const QuantizationStudy& study, const StudySubject& subject) {
  io::JsonObject object;
  object.set("directory", subject.directory);
  object.set("static_amax", subject.static_range);
  object.set("schemes", scheme_names(study));
  object.set("notes", texts(quantization_notes(study)));
  object.set("problems", texts(study.problems));
  object.set("linear", sums_object(study, study.linear));
  io::JsonArray kinds, tensors;
  for (const KindStudy& kind : study.kinds) {
    io::JsonObject entry = sums_object(study, kind.sums);
    entry.set("kind", kind.kind);
    entry.set("is_linear", kind.is_linear);
    kinds.emplace_back(std::move(entry));
  }
  for (const TensorStudy& tensor : study.tensors) {
    io::JsonObject entry = sums_object(study, tensor.sums);
    entry.set("name", tensor.name);
    entry.set("kind", tensor.kind);
    entry.set("layer", tensor.layer);
    entry.set("dtype", dtype_name(tensor.dtype));
    entry.set("shape", io::JsonArray{tensor.shape[0], tensor.shape[1]});
    if (tensor.static_amax > 0.0f) {
      entry.set("static_amax", static_cast<double>(tensor.static_amax));
    }
    tensors.emplace_back(std::move(entry));
  }
  object.set("kinds", std::move(kinds));
  object.set("tensors", std::move(tensors));
  return object;
}

}  // namespace fathom::cli
