#include "checkpoint/random_init.h"

#include <algorithm>

#include "base/parallel.h"
#include "base/rng.h"
#include "checkpoint/tensor_codec.h"
#include "checkpoint/write.h"
#include "config/model/parameter_list.h"

namespace fathom::checkpoint {
namespace {

/// 64-bit FNV-1a.
u64 hash_of(std::string_view text) {
  u64 hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<u8>(c)) * 0x100000001b3ull;
  return hash;
}

double deviation(const Parameter& parameter, const RandomInitOptions& options) {
  switch (parameter.kind) {
    case ParameterKind::kMatrix:
    case ParameterKind::kMatrixBf16:
      return options.weight_std;
    case ParameterKind::kRouterBias:
      return options.router_bias_std;
    case ParameterKind::kNorm:
    case ParameterKind::kBias:
      return 0.0;
  }
  return 0.0;
}

}  // namespace

void fill_random_rows(const ModelConfig& config, const Parameter& parameter,
                      const RandomInitOptions& options, i64 begin, View<float, 2> rows) {
  const Philox rng(options.seed, hash_of(shared_source(parameter, config)));
  const float mean = parameter.kind == ParameterKind::kNorm ? 1.0f : 0.0f;
  const double std = deviation(parameter, options);
  const i64 first = begin * rows.dim(1);
  float* out = rows.data();
  parallel_for(rows.size(), 1024, [=, &rng](i64 from, i64 to) {
    for (i64 i = from; i < to; ++i) {
      const double draw = std == 0.0 ? 0.0 : std * rng.normal(static_cast<u64>(first + i));
      out[i] = mean + static_cast<float>(draw);
    }
  });
}

void write_random_checkpoint(Ctx& ctx, const ModelConfig& config,
                             const std::filesystem::path& directory,
                             const RandomInitOptions& options) {
  std::vector<float> values;
  const RowSource random_rows = [&](const Parameter& parameter, i64 begin, i64 count) {
    const i64 cols = row_shape(parameter.shape).cols;
    values.resize(static_cast<size_t>(count * cols));
    const View<float, 2> rows(values.data(), {count, cols});
    fill_random_rows(config, parameter, options, begin, rows);
    return View<const float, 2>(rows);
  };
  write_checkpoint(ctx, config, directory, random_rows,
                   {.dtype = options.dtype,
                    .scale_format = options.scale_format,
                    .max_shard_bytes = options.max_shard_bytes,
                    .on_progress = options.on_progress});
}

}  // namespace fathom::checkpoint
