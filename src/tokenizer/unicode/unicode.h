#pragma once
// Character properties of one fixed Unicode version, 16.0: the version inside Hugging Face
// `tokenizers` 0.23, whose ids we match. The data is unicode_table.inc, made by
// tools/make_unicode_table.py; neither the C library nor PCRE2 is asked, whose versions differ.
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "tokenizer/unicode/code_point_set.h"

namespace fathom::tokenizer {

/// Unicode's General_Category; kCcSpace splits from Cc the six control characters that are white
/// space.
enum class GeneralCategory : u8 {
  kLu,
  kLl,
  kLt,
  kLm,
  kLo,
  kMn,
  kMc,
  kMe,
  kNd,
  kNl,
  kNo,
  kPc,
  kPd,
  kPs,
  kPe,
  kPi,
  kPf,
  kPo,
  kSm,
  kSc,
  kSk,
  kSo,
  kZs,
  kZl,
  kZp,
  kCc,
  kCf,
  kCs,
  kCo,
  kCn,
  kCcSpace
};

/// One bit per GeneralCategory.
using CategoryMask = u32;

constexpr CategoryMask mask_of(GeneralCategory category) {
  return CategoryMask{1} << static_cast<u32>(category);
}
constexpr CategoryMask mask_range(GeneralCategory first, GeneralCategory last) {
  return (mask_of(last) << 1) - mask_of(first);
}

inline constexpr CategoryMask kLetter = mask_range(GeneralCategory::kLu, GeneralCategory::kLo);
inline constexpr CategoryMask kMark = mask_range(GeneralCategory::kMn, GeneralCategory::kMe);
inline constexpr CategoryMask kNumber = mask_range(GeneralCategory::kNd, GeneralCategory::kNo);
inline constexpr CategoryMask kPunctuation = mask_range(GeneralCategory::kPc, GeneralCategory::kPo);
inline constexpr CategoryMask kSymbol = mask_range(GeneralCategory::kSm, GeneralCategory::kSo);
/// The property White_Space (\s).
inline constexpr CategoryMask kWhiteSpace =
    mask_range(GeneralCategory::kZs, GeneralCategory::kZp) | mask_of(GeneralCategory::kCcSpace);

/// Two-stage table over all code points; 40 KB, built at the first use.
class UnicodeTable {
 public:
  static const UnicodeTable& instance();

  /// The mask with the one bit of its category; `code_point` <= 0x10FFFF.
  CategoryMask category(char32_t code_point) const {
    const size_t block = block_of_[code_point >> kBlockBits];
    return CategoryMask{1} << blocks_[(block << kBlockBits) | (code_point & (kBlockSize - 1))];
  }

 private:
  static constexpr u32 kBlockBits = 7;
  static constexpr u32 kBlockSize = 1u << kBlockBits;
  UnicodeTable();

  std::array<u16, 0x110000 / kBlockSize> block_of_{};
  std::vector<u8> blocks_;
};

/// All code points of the categories in `mask`.
CodePointSet code_points_of(CategoryMask mask);

/// The set named by \p{name}: a general category ("L", "Lu", ...) or a script that the table holds
/// ("Han", "Hiragana", "Katakana", "Hangul"). nullopt for any other name.
std::optional<CodePointSet> find_unicode_property(std::string_view name);

/// \w of Rust's regex crate, which decides what a "single_word" added token may touch.
bool is_word_character(char32_t code_point);
bool is_white_space(char32_t code_point);

}  // namespace fathom::tokenizer
