#pragma once
// A checkpoint directory from rows that come one chunk at a time: random ones (random_init) or
// those of a model in training.
#include <filesystem>
#include <functional>
#include <string>

#include "base/dtype.h"
#include "config/model/model_config.h"
#include "config/model/parameter_list.h"
#include "device/ctx.h"
#include "io/safetensors_writer.h"
#include "ops/quantize/quantize.h"

namespace fathom::checkpoint {

/// The parameter's rows [begin, begin + count) in f32, valid until the next call; a vector is one
/// row.
using RowSource =
    std::function<View<const float, 2>(const Parameter& parameter, i64 begin, i64 count)>;

struct CheckpointWriteOptions {
  DType dtype = DType::kBF16;  // F32 | BF16 | F8_E4M3, see stored_dtype()
  ops::ScaleFormat scale_format = ops::ScaleFormat::kF32;
  i64 max_shard_bytes = io::kDefaultMaxShardBytes;
  /// Called with (elements done, elements in all) now and then.
  std::function<void(i64, i64)> on_progress = {};
};

/// `config` as it reads in a checkpoint written as `dtype`: torch_dtype and quantization_config.
ModelConfig with_stored_dtype(ModelConfig config, DType dtype, ops::ScaleFormat scale_format);

/// The tensor whose numbers a parameter holds: its own name, or the main model's for MTP's copies.
std::string shared_source(const Parameter& parameter, const ModelConfig& config);

/// Writes config.json and model*.safetensors, config.json last. Throws Error{kInvalidInput} if the
/// config is invalid or the directory holds a model already.
void write_checkpoint(Ctx& ctx, const ModelConfig& config, const std::filesystem::path& directory,
                      const RowSource& rows, const CheckpointWriteOptions& options);

}  // namespace fathom::checkpoint
