#pragma once
// Internal to checkpoint/: what is wrong with a tensor, in the words of every check.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>
#include <string>

#include "base/dtype.h"
#include "io/safetensors.h"

namespace fathom::checkpoint {

/// F32, or what F32 holds exactly.
inline bool is_widened(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kBF16 || dtype == DType::kF16;
}

inline std::string shape_text(std::span<const i64> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

inline std::string tensor_problem(const io::StoredTensor& tensor, const std::string& text) {
  return fmt::format("{}: tensor `{}` {}", tensor.file_name, tensor.name, text);
}

inline std::string missing_tensor(const io::Checkpoint& checkpoint, const std::string& name,
                                  std::span<const i64> shape, const std::string& what) {
  return fmt::format("{}: tensor `{}` is missing, expected {}{}", checkpoint.directory().string(),
                     name, shape_text(shape), what);
}

}  // namespace fathom::checkpoint
