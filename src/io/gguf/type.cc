#include "io/gguf/type.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace fathom::io::gguf {
namespace {

constexpr std::array<TypeInfo, 16> kTypes = {{
    {Type::kF32, "F32", 1, 4},
    {Type::kF16, "F16", 1, 2},
    {Type::kBF16, "BF16", 1, 2},
    {Type::kQ4_0, "Q4_0", 32, 18},
    {Type::kQ4_1, "Q4_1", 32, 20},
    {Type::kQ5_0, "Q5_0", 32, 22},
    {Type::kQ5_1, "Q5_1", 32, 24},
    {Type::kQ8_0, "Q8_0", 32, 34},
    {Type::kQ2_K, "Q2_K", 256, 84},
    {Type::kQ3_K, "Q3_K", 256, 110},
    {Type::kQ4_K, "Q4_K", 256, 144},
    {Type::kQ5_K, "Q5_K", 256, 176},
    {Type::kQ6_K, "Q6_K", 256, 210},
    {Type::kIQ4_NL, "IQ4_NL", 32, 18},
    {Type::kIQ4_XS, "IQ4_XS", 256, 136},
    {Type::kMXFP4, "MXFP4", 32, 17},
}};

/// Types of the format that are refused, so that the refusal names them.
constexpr std::array<std::pair<u32, std::string_view>, 19> kUnread = {{
    {9, "Q8_1"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {34, "TQ1_0"},
    {35, "TQ2_0"},
    {40, "NVFP4"},
    {41, "Q1_0"},
    {4, "Q4_2 (removed from the format)"},
}};

}  // namespace

const TypeInfo* find_type(u32 number) {
  const auto at = std::ranges::find(kTypes, static_cast<Type>(number), &TypeInfo::type);
  return at == kTypes.end() ? nullptr : &*at;
}

const TypeInfo& info(Type type) {
  const TypeInfo* found = find_type(static_cast<u32>(type));
  FATHOM_CHECK(found != nullptr, "GGUF type ", static_cast<u32>(type));
  return *found;
}

std::string_view name_of_unread_type(u32 number) {
  const auto at = std::ranges::find(kUnread, number, &std::pair<u32, std::string_view>::first);
  return at == kUnread.end() ? "an unknown type" : at->second;
}

}  // namespace fathom::io::gguf
