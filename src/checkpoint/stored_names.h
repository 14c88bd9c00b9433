#pragma once
// What the tensors are called that stand beside a quantised matrix, or in its place.
#include <string>

#include "checkpoint/storage.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

/// The f32 block scales that stand beside an FP8 matrix: "X.weight" -> "X.weight_scale_inv", or
/// "X.weight_scale" in a checkpoint of `compressed-tensors`.
std::string block_scale_name(const std::string& matrix_name, const Storage& storage);
/// Under either name; nullptr if there is none.
const io::StoredTensor* find_block_scale(const io::Checkpoint& checkpoint,
                                         const std::string& matrix_name);

/// The three tensors that stand for a matrix packed as integers: "X.weight" -> "X.weight_packed",
/// "X.weight_scale", "X.weight_shape"; and "X.weight_minimum" of a matrix from a GGUF file whose
/// groups have minima.
struct PackedNames {
  std::string packed, scale, shape, minimum;
  explicit PackedNames(const std::string& matrix_name)
      : packed(matrix_name + "_packed"),
        scale(matrix_name + "_scale"),
        shape(matrix_name + "_shape"),
        minimum(matrix_name + "_minimum") {}
};
/// How the integers of a checked matrix [rows, cols] are packed: from the shapes of its tensors.
struct PackedForm {
  int bits = 0;
  i64 group_size = 0;
};
PackedForm packed_form(const io::StoredTensor& packed, const io::StoredTensor& scale, i64 cols);

}  // namespace fathom::checkpoint
