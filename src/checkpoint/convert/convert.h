#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "checkpoint/storage.h"
#include "device/ctx.h"
#include "io/safetensors_writer.h"
#include "ops/quantize/quantize.h"

namespace fathom::checkpoint {

struct ConvertOptions {
  ModelStorage storage;                                    // what becomes of a tensor: storage_of()
  ops::ScaleFormat scale_format = ops::ScaleFormat::kF32;  // of new F8_E4M3 tensors
  i64 max_shard_bytes = io::kDefaultMaxShardBytes;
  /// Called with (source bytes done, in all) after each chunk.
  std::function<void(i64, i64)> on_progress = {};
};

/// What became of one tensor. Errors compare the f32 values before and after, over all of it.
struct TensorConversion {
  std::string name;
  ModelPart role = ModelPart::kAttention;
  bool is_matrix = false;
  std::string from;  // "BF16", "INT4 in groups of 32", "Q4_K"
  Storage to = {};
  double max_error = 0.0;  // largest |before - after| / largest |before|
  double rms_error = 0.0;  // ||before - after|| / ||before||
  double squares = 0.0;    // ||before||^2; 0 of a tensor that was copied as it was
};

struct ConvertReport {
  std::vector<TensorConversion> tensors;  // of the model, in the order of the forward pass
  i64 copied_tensors = 0;                 // not part of the model; copied byte for byte
  i64 bytes_before = 0;                   // of the tensors, scales included
  i64 bytes_after = 0;
  i64 num_shards = 0;
  std::vector<std::string> copied_files;  // tokenizer and generation files
};

/// Converts a whole model directory, chunk by chunk: a model larger than memory converts. Tensors
/// that are stored as wanted already are copied byte for byte (FP8 is quantised anew only if
/// kUe8m0 is asked for). config.json keeps all its keys; its dtype and quantization_config change.
/// Files beside the weights (.json .jinja .txt .model .md, LICENSE*) are copied.
/// Everything is written to a temporary directory beside `to` and renamed at the end.
/// Throws Error{kInvalidInput} if `to` exists or the source is not a whole model (all problems
/// listed), Error{kIo} if the system refuses; then no `to` appears.
ConvertReport convert_checkpoint(Ctx& ctx, const std::filesystem::path& from,
                                 const std::filesystem::path& to, const ConvertOptions& options);

}  // namespace fathom::checkpoint
