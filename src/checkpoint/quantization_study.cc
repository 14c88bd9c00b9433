#include "checkpoint/quantization_study.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "base/error.h"
#include "checkpoint/check.h"
#include "checkpoint/tensor_codec.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {
namespace {

using ops::GemmScaling;
using ops::NumberFormat;

constexpr std::array kSchemes = {
    QuantizationScheme{.name = "bf16", .format = NumberFormat::kBf16},
    QuantizationScheme{"e5m6-tile", NumberFormat::kE5m6, GemmScaling::kTile, true},
    QuantizationScheme{"e4m3-tensor", NumberFormat::kE4m3, GemmScaling::kTensor, false},
    QuantizationScheme{"e4m3-channel", NumberFormat::kE4m3, GemmScaling::kRow, false},
    QuantizationScheme{"e4m3-block", NumberFormat::kE4m3, GemmScaling::kBlock, false},
    QuantizationScheme{"e4m3-tile", NumberFormat::kE4m3, GemmScaling::kTile, false},
    QuantizationScheme{"e4m3-tensor-pow2", NumberFormat::kE4m3, GemmScaling::kTensor, true},
    QuantizationScheme{"e4m3-channel-pow2", NumberFormat::kE4m3, GemmScaling::kRow, true},
    QuantizationScheme{"e4m3-block-pow2", NumberFormat::kE4m3, GemmScaling::kBlock, true},
    QuantizationScheme{"e4m3-tile-pow2", NumberFormat::kE4m3, GemmScaling::kTile, true},
    QuantizationScheme{"e4m3-static", NumberFormat::kE4m3, GemmScaling::kTensor, false, true},
    QuantizationScheme{"e4m3-static-pow2", NumberFormat::kE4m3, GemmScaling::kTensor, true, true},
    QuantizationScheme{"e5m2-tensor", NumberFormat::kE5m2, GemmScaling::kTensor, false},
    QuantizationScheme{"e5m2-channel", NumberFormat::kE5m2, GemmScaling::kRow, false},
    QuantizationScheme{"e5m2-block", NumberFormat::kE5m2, GemmScaling::kBlock, false},
    QuantizationScheme{"e5m2-tile", NumberFormat::kE5m2, GemmScaling::kTile, false},
    QuantizationScheme{"e5m2-tensor-pow2", NumberFormat::kE5m2, GemmScaling::kTensor, true},
    QuantizationScheme{"e5m2-channel-pow2", NumberFormat::kE5m2, GemmScaling::kRow, true},
    QuantizationScheme{"e5m2-block-pow2", NumberFormat::kE5m2, GemmScaling::kBlock, true},
    QuantizationScheme{"e5m2-tile-pow2", NumberFormat::kE5m2, GemmScaling::kTile, true},
    QuantizationScheme{"e5m2-static", NumberFormat::kE5m2, GemmScaling::kTensor, false, true},
    QuantizationScheme{"e5m2-static-pow2", NumberFormat::kE5m2, GemmScaling::kTensor, true, true},
};

size_t index_of(GemmScaling scaling) {
  return static_cast<size_t>(std::ranges::find(kOctaveScalings, scaling) - kOctaveScalings.begin());
}

/// The ranges of one tensor at every granularity.
struct TensorRanges {
  struct Groups {
    std::vector<float> values;
    std::array<i64, 2> dims = {};
  };
  std::array<Groups, kOctaveScalings.size()> by_scaling;

  View<float, 2> whole(GemmScaling scaling) {
    Groups& groups = by_scaling[index_of(scaling)];
    return {groups.values.data(), groups.dims};
  }
  /// Those of `count` rows from `begin`, a multiple of 128.
  View<const float, 2> of_rows(GemmScaling scaling, i64 begin, i64 count) {
    const View<const float, 2> all = whole(scaling);
    if (scaling == GemmScaling::kTensor) return all;
    if (scaling != GemmScaling::kBlock) return all.slice(0, begin, count);
    return all.slice(0, begin / kFp8Block, ceil_div(count, kFp8Block));
  }
  void resize(i64 rows, i64 tiles) {
    for (const GemmScaling scaling : kOctaveScalings) {
      const bool per_tile = scaling == GemmScaling::kTile || scaling == GemmScaling::kBlock;
      const i64 count = scaling == GemmScaling::kTensor  ? 1
                        : scaling == GemmScaling::kBlock ? ceil_div(rows, kFp8Block)
                                                         : rows;
      Groups& groups = by_scaling[index_of(scaling)];
      groups.dims = {count, per_tile ? tiles : 1};
      groups.values.resize(static_cast<size_t>(groups.dims[0] * groups.dims[1]));
    }
  }
};

class Study {
 public:
  Study(Ctx& ctx, const StudyOptions& options) : ctx_(ctx), options_(options) {}

  QuantizationStudy run(const io::Checkpoint& checkpoint, const CheckpointCheck& check) {
    result_.schemes = options_.schemes;
    result_.linear.errors.resize(options_.schemes.size());
    std::vector<const Parameter*> chosen;
    for (const Parameter& parameter : check.parameters) {
      if (parameter.shared_copy) continue;
      if (parameter.name.find(options_.name_contains) == std::string::npos) continue;
      const bool matrix =
          parameter.kind == ParameterKind::kMatrix || parameter.kind == ParameterKind::kMatrixBf16;
      if (!matrix) {
        ++result_.num_vectors;
        continue;
      }
      chosen.push_back(&parameter);
      total_numbers_ += parameter.elements();
    }
    if (chosen.empty()) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("no matrix of {} has \"{}\" in its name",
                              checkpoint.directory().string(), options_.name_contains));
    }
    for (const Parameter* parameter : chosen) measure(checkpoint, *parameter);
    return std::move(result_);
  }

 private:
  void measure(const io::Checkpoint& checkpoint, const Parameter& parameter) {
    TensorReader reader(ctx_, checkpoint, parameter);
    TensorStudy tensor{.name = parameter.name,
                       .kind = tensor_kind(parameter.name),
                       .layer = parameter.layer,
                       .dtype = reader.dtype(),
                       .shape = {reader.shape().rows, reader.shape().cols}};
    tensor.sums.tensors = 1;
    tensor.sums.errors.resize(options_.schemes.size());
    KindStudy& kind = kind_of(tensor.kind, parameter.kind == ParameterKind::kMatrix);
    find_ranges(reader, tensor);
    find_errors(reader, tensor, kind.octaves);

    kind.sums.add(tensor.sums);
    if (kind.is_linear) result_.linear.add(tensor.sums);
    ++result_.by_dtype[reader.dtype()];
    if (const i64 count = tensor.sums.magnitudes.not_measured; count > 0) {
      result_.problems.push_back(
          fmt::format("{}: {} of {} numbers are NaN, infinite or beyond 2^30, and were left out",
                      tensor.name, count, parameter.elements()));
    }
    result_.tensors.push_back(std::move(tensor));
  }

  KindStudy& kind_of(const std::string& name, bool is_linear) {
    const auto found = std::ranges::find(result_.kinds, name, &KindStudy::kind);
    if (found != result_.kinds.end()) return *found;
    KindStudy& kind = result_.kinds.emplace_back();
    kind.kind = name;
    kind.is_linear = is_linear;
    kind.sums.errors.resize(options_.schemes.size());
    return kind;
  }

  /// fn(first row, rows [count, cols] in f32) over the tensor. One that is a single chunk is read
  /// once for both passes.
  template <typename Fn>
  void for_chunks(TensorReader& reader, bool read_again, Fn&& fn) {
    const RowShape shape = reader.shape();
    const i64 step = std::min(shape.rows, chunk_rows(shape.cols));
    chunk_.resize(static_cast<size_t>(step * shape.cols));
    for (i64 begin = 0; begin < shape.rows; begin += step) {
      const i64 count = std::min(step, shape.rows - begin);
      const View<float, 2> rows(chunk_.data(), {count, shape.cols});
      if (read_again || count < shape.rows) reader.read_rows(begin, rows);
      fn(begin, View<const float, 2>(rows));
      done_numbers_ += count * shape.cols;  // each number twice
      if (options_.on_progress) options_.on_progress(done_numbers_ / 2, total_numbers_);
    }
  }

  void find_ranges(TensorReader& reader, TensorStudy& tensor) {
    const i64 rows = tensor.shape[0], tiles = ceil_div(tensor.shape[1], kFp8Block);
    ranges_.resize(rows, tiles);
    const View<float, 2> tile_amax = ranges_.whole(GemmScaling::kTile);
    bins_.assign(options_.static_quantile > 0.0 ? ops::kMagnitudeBins : 0, 0);
    for_chunks(reader, true, [&](i64 begin, View<const float, 2> x) {
      ops::tile_ranges(ctx_, x, tile_amax.slice(0, begin, x.dim(0)), tensor.sums.magnitudes);
      if (!bins_.empty()) ops::count_magnitudes(ctx_, x, bins_);
    });
    for (const GemmScaling scaling : kOctaveScalings) {
      if (scaling == GemmScaling::kTile) continue;
      ops::group_ranges(tile_amax, scaling, ranges_.whole(scaling));
    }
    tensor.sums.amax = ranges_.whole(GemmScaling::kTensor)(0, 0);
    tensor.static_amax = bins_.empty() ? options_.static_amax
                                       : ops::magnitude_quantile(bins_, options_.static_quantile);
  }

  void find_errors(TensorReader& reader, TensorStudy& tensor, OctaveTable& octaves) {
    const View<const float, 2> static_range(&tensor.static_amax, {1, 1});
    std::vector<ops::ChunkScheme> schemes(options_.schemes.size());
    for_chunks(reader, false, [&](i64 begin, View<const float, 2> x) {
      for (size_t i = 0; i < schemes.size(); ++i) {
        const QuantizationScheme& scheme = options_.schemes[i];
        schemes[i] = {.format = scheme.format,
                      .scaling = scheme.scaling,
                      .power_of_2_scales = scheme.power_of_2_scales,
                      .amax = scheme.is_static ? static_range
                                               : ranges_.of_rows(scheme.scaling, begin, x.dim(0))};
      }
      ops::quantization_errors(ctx_, x, schemes, tensor.sums.errors);
      for (size_t i = 0; i < kOctaveScalings.size(); ++i) {
        ops::octave_counts(ctx_, x, kOctaveScalings[i],
                           ranges_.of_rows(kOctaveScalings[i], begin, x.dim(0)), octaves[i]);
      }
    });
  }

  Ctx& ctx_;
  const StudyOptions& options_;
  QuantizationStudy result_;
  TensorRanges ranges_;
  std::vector<float> chunk_;
  std::vector<i64> bins_;
  i64 done_numbers_ = 0;
  i64 total_numbers_ = 0;
};

double ratio(double part, double whole) { return whole > 0.0 ? part / whole : 0.0; }

}  // namespace

std::span<const QuantizationScheme> quantization_schemes() { return kSchemes; }

void StudySums::add(const StudySums& other) {
  tensors += other.tensors;
  amax = std::max(amax, other.amax);
  ops::add(magnitudes, other.magnitudes);
  for (size_t i = 0; i < errors.size(); ++i) ops::add(errors[i], other.errors[i]);
}

ErrorRates error_rates(const StudySums& sums, size_t scheme) {
  const ops::MagnitudeSums& x = sums.magnitudes;
  const ops::QuantizationErrorSums& error = sums.errors[scheme];
  const auto numbers = static_cast<double>(x.numbers);
  const auto non_zero = static_cast<double>(x.numbers - x.zeros);
  return {.mean_abs_error = ratio(error.abs_error, numbers),
          .mean_relative_error = ratio(error.relative_error, non_zero),
          .rms_error = std::sqrt(ratio(error.squared_error, x.squared_value)),
          .clamp_rate = ratio(static_cast<double>(error.saturated), non_zero),
          .underflow_rate = ratio(static_cast<double>(error.underflowed), non_zero),
          .subnormal_rate = ratio(static_cast<double>(error.subnormal), non_zero)};
}

std::string tensor_kind(std::string_view tensor_name) {
  std::string kind;
  for (size_t begin = 0; begin < tensor_name.size();) {
    const size_t end = std::min(tensor_name.find('.', begin), tensor_name.size());
    const std::string_view part = tensor_name.substr(begin, end - begin);
    begin = end + 1;
    constexpr std::array<std::string_view, 5> kSilent = {"model", "layers", "self_attn", "mlp",
                                                         "weight"};
    const bool number = std::ranges::all_of(part, [](char c) { return c >= '0' && c <= '9'; });
    if (number || std::ranges::find(kSilent, part) != kSilent.end()) continue;
    if (!kind.empty()) kind += '.';
    kind += part;
  }
  return kind;
}

QuantizationStudy study_quantization(Ctx& ctx, const std::filesystem::path& directory,
                                     const StudyOptions& options) {
  const ModelConfig config = value_or_throw(load_model_config(directory));
  const io::Checkpoint checkpoint = value_or_throw(io::Checkpoint::open(directory));
  const CheckpointCheck check = require_checkpoint(config, checkpoint);
  return Study(ctx, options).run(checkpoint, check);
}

}  // namespace fathom::checkpoint
