#pragma once
#include <filesystem>
#include <functional>

#include "base/dtype.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "device/ctx.h"
#include "io/safetensors_writer.h"
#include "ops/quantize/quantize.h"

namespace fathom::checkpoint {

struct RandomInitOptions {
  DType dtype = DType::kBF16;    // F32 | BF16 | F8_E4M3, see stored_dtype()
  double weight_std = 0.006;     // of every matrix: DeepSeek-V3 §4.2
  double router_bias_std = 0.0;  // of e_score_correction_bias
  u64 seed = 0;
  ops::ScaleFormat scale_format = ops::ScaleFormat::kF32;
  i64 max_shard_bytes = io::kDefaultMaxShardBytes;
  /// Called with (elements done, elements in all) now and then.
  std::function<void(i64, i64)> on_progress = {};
};

/// rows [count, cols] f32 overwritten: rows [begin, begin + count) of a parameter (a vector is one
/// row), as write_random_checkpoint would store them in F32.
void fill_random_rows(const ModelConfig& config, const Parameter& parameter,
                      const RandomInitOptions& options, i64 begin, View<float, 2> rows);

/// Writes a checkpoint directory (config.json, model*.safetensors) of random weights: matrices from
/// N(0, weight_std^2), norms 1, biases 0, the router's bias N(0, router_bias_std^2). MTP's
/// embedding and head are copies of the main model's. Tensor by tensor, so that a model larger than
/// memory can be made. The numbers depend on seed and tensor name alone, not on threads. Throws
/// Error{kInvalidInput} if the config is invalid or the directory holds a model already.
void write_random_checkpoint(Ctx& ctx, const ModelConfig& config,
                             const std::filesystem::path& directory,
                             const RandomInitOptions& options);

}  // namespace fathom::checkpoint
