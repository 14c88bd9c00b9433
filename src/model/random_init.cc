#include "model/random_init.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/rng.h"
#include "config/parameter_list.h"
#include "model/tensor_codec.h"

namespace fathom::model {
namespace {

/// 64-bit FNV-1a.
u64 hash_of(std::string_view text) {
  u64 hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<u8>(c)) * 0x100000001b3ull;
  return hash;
}

/// The tensor whose numbers a parameter takes: its own name, or the main model's for a copy.
std::string random_source(const Parameter& parameter, const ModelConfig& config) {
  if (!parameter.shared_copy) return parameter.name;
  const bool head = parameter.name.ends_with("shared_head.head.weight");
  return head && !config.tie_word_embeddings ? "lm_head.weight" : "model.embed_tokens.weight";
}

double deviation(const Parameter& parameter, const RandomInitOptions& options) {
  switch (parameter.kind) {
    case ParameterKind::kMatrix:
    case ParameterKind::kMatrixBf16:
      return options.weight_std;
    case ParameterKind::kRouterBias:
      return options.router_bias_std;
    case ParameterKind::kNorm:
      return 0.0;
  }
  return 0.0;
}

/// rows [count, cols] of a parameter, from row `begin`.
void fill_rows(const Philox& rng, double std, float mean, i64 begin, View<float, 2> rows) {
  const i64 first = begin * rows.dim(1);
  float* out = rows.data();
  parallel_for(rows.size(), 1024, [=, &rng](i64 from, i64 to) {
    for (i64 i = from; i < to; ++i) {
      const double draw = std == 0.0 ? 0.0 : std * rng.normal(static_cast<u64>(first + i));
      out[i] = mean + static_cast<float>(draw);
    }
  });
}

}  // namespace

ModelConfig with_stored_dtype(ModelConfig config, DType dtype, ops::ScaleFormat scale_format) {
  config.torch_dtype = dtype == DType::kF32 ? DType::kF32 : DType::kBF16;
  config.quantization_config.reset();
  if (dtype == DType::kF8E4M3) {
    config.quantization_config.emplace();
    if (scale_format == ops::ScaleFormat::kUe8m0) config.quantization_config->scale_fmt = "ue8m0";
  }
  return config;
}

void write_random_checkpoint(Ctx& ctx, const ModelConfig& config,
                             const std::filesystem::path& directory,
                             const RandomInitOptions& options) {
  const ModelConfig stored = with_stored_dtype(config, options.dtype, options.scale_format);
  value_or_throw(stored.validate());
  const auto config_path = directory / "config.json";
  if (std::filesystem::exists(config_path)) {
    throw Error(ErrorCode::kInvalidInput, directory.string() + " holds a model already");
  }
  std::vector<io::TensorSpec> specs;
  std::vector<Parameter> parameters;
  i64 total = 0, done = 0;
  for_each_parameter(stored, [&](const Parameter& parameter) {
    declare_tensor(specs, parameter.name, stored_dtype(parameter.kind, options.dtype),
                   parameter.shape);
    parameters.push_back(parameter);
    total += parameter.elements();
  });
  io::CheckpointWriter writer(directory, specs, options.max_shard_bytes);
  TensorEncoder encoder(ctx, writer, options.scale_format);
  std::vector<float> values;
  for (const Parameter& parameter : parameters) {
    const RowShape shape = row_shape(parameter.shape);
    const Philox rng(options.seed, hash_of(random_source(parameter, stored)));
    const float mean = parameter.kind == ParameterKind::kNorm ? 1.0f : 0.0f;
    const i64 step = chunk_rows(shape.cols);
    for (i64 begin = 0; begin < shape.rows; begin += step) {
      const i64 count = std::min(step, shape.rows - begin);
      values.resize(static_cast<size_t>(count * shape.cols));
      const View<float, 2> rows(values.data(), {count, shape.cols});
      fill_rows(rng, deviation(parameter, options), mean, begin, rows);
      encoder.append_rows(parameter.name, stored_dtype(parameter.kind, options.dtype), rows);
      done += rows.size();
      if (options.on_progress) options.on_progress(done, total);
    }
  }
  writer.commit();
  io::write_file_atomically(config_path, to_json(stored));
}

}  // namespace fathom::model
