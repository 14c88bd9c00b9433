#pragma once
// A GGUF file as the checkpoint in memory that a model binds to.
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "base/dtype.h"
#include "config/model/model_config.h"
#include "io/gguf/file.h"
#include "io/safetensors.h"
#include "tensor/buffer.h"

namespace fathom::checkpoint {

/// `checkpoint` views `file` and `decoded`.
struct GgufCheckpoint {
  ModelConfig config;
  io::gguf::File file;
  std::vector<Buffer> decoded;
  io::Checkpoint checkpoint;
};

/// Opens the file, and decodes its matrices to `dtype` (F32 | BF16): those that are stored so, in
/// Hugging Face's order, stay in the mapped file. `dtype` absent: matrices of Q8_0, Q4_0 and Q4_1
/// become packed integers with exactly their numbers (checkpoint/gguf/packed_blocks.h), and others
/// F32 if all linear layers are stored so, else BF16. Norms and the router become F32.
/// `on_progress` is called with (elements decoded, in all). Throws Error of the file, of its
/// metadata or of its tensors, all problems listed; Error{kOutOfMemory}.
GgufCheckpoint load_gguf(const std::filesystem::path& path, std::optional<DType> dtype = {},
                         const std::function<void(i64, i64)>& on_progress = {});

}  // namespace fathom::checkpoint
