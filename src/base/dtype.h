#pragma once
// Element types of tensors in memory and on disk. The names are safetensors' spelling.
#include <optional>
#include <string_view>

#include "base/types.h"

namespace fathom {

enum class DType : u8 {
  kF32,
  kF16,
  kBF16,
  kF8E4M3,  // S.EEEE.MMM, bias 7, max 448, no infinity (e4m3fn)
  kF8E5M2,  // S.EEEEE.MM, bias 15, IEEE-like with infinities
  kF64,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
};

/// Bytes of one element.
constexpr i64 dtype_bytes(DType dtype) {
  switch (dtype) {
    case DType::kF64:
    case DType::kI64:
    case DType::kU64:
      return 8;
    case DType::kF32:
    case DType::kI32:
    case DType::kU32:
      return 4;
    case DType::kF16:
    case DType::kBF16:
    case DType::kI16:
    case DType::kU16:
      return 2;
    default:
      return 1;
  }
}

/// "F32", "BF16", "F8_E4M3", ...: the spelling of a safetensors header.
std::string_view dtype_name(DType dtype);
/// Inverse of dtype_name; nullopt for an unknown spelling.
std::optional<DType> dtype_from_name(std::string_view name);

}  // namespace fathom
