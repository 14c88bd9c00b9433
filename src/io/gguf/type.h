#pragma once
// The element types of a GGUF file. All but the plain numbers come in blocks: so many elements of
// one row in so many bytes, scales among them.
#include <optional>
#include <string_view>

#include "base/types.h"

namespace fathom::io::gguf {

/// The numbers are those of the file format (ggml's `enum ggml_type`).
enum class Type : u32 {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kIQ4_XS = 23,
  kBF16 = 30,
  kMXFP4 = 39,
};

struct TypeInfo {
  Type type;
  std::string_view name;  // "Q4_K"
  i64 block_elements;     // of one row
  i64 block_bytes;
};

/// nullptr for a number that is no type this program reads.
const TypeInfo* find_type(u32 number);
const TypeInfo& info(Type type);

/// What the format calls a number that find_type() does not know: "IQ2_XXS", "an unknown type".
std::string_view name_of_unread_type(u32 number);

}  // namespace fathom::io::gguf
