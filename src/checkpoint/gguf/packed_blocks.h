#pragma once
// Blocks of a GGUF file whose numbers are exactly those of packed integers in groups of 32
// (tensor/mat_ref.h): no more than the order of their bytes changes.
//   Q8_0  d * q, q in [-128, 127]      INT8, scales d
//   Q4_0  d * (q - 8), q in [0, 15]    INT4, scales d
//   Q4_1  d * q + m, q in [0, 15]      INT4, scales d, minima m
// d and m are F16. Blocks hold scales and codes one after the other, so they cannot be multiplied
// where the file has them.
#include <optional>
#include <vector>

#include "checkpoint/gguf/parameters.h"
#include "io/safetensors.h"
#include "tensor/buffer.h"

namespace fathom::checkpoint {

/// What the integers of a type are; nullopt for types that have no such form.
struct PackedBlocks {
  int bits = 0;
  bool has_minima = false;
};
std::optional<PackedBlocks> packed_blocks(io::gguf::Type type);

/// True of a matrix that packed_parameter() takes.
bool is_packable(const GgufParameter& parameter);

/// Appends to `tensors` what stands for a packable matrix: its words, scales, minima and shape
/// under the names of checkpoint::PackedNames, in memory of its own that is appended to `storage`.
void pack_parameter(const GgufParameter& parameter, std::vector<Buffer>& storage,
                    std::vector<io::StoredTensor>& tensors);

}  // namespace fathom::checkpoint
