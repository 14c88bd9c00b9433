#include "tokenizer/unicode/unicode.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>

namespace fathom::tokenizer {
namespace {

#include "tokenizer/unicode/unicode_table.inc"

constexpr std::string_view kCategoryNames[] = {
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe",
    "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn"};

constexpr char32_t run_first(u32 run) { return run >> 5; }
constexpr u32 run_category(u32 run) { return run & 31; }

/// Calls fn(first, last, category) for every run of equal category.
template <typename Fn>
void for_each_run(Fn fn) {
  constexpr size_t kNumRuns = std::size(kCategoryRuns);
  for (size_t i = 0; i < kNumRuns; ++i) {
    const char32_t end = i + 1 < kNumRuns ? run_first(kCategoryRuns[i + 1]) : 0x110000;
    fn(run_first(kCategoryRuns[i]), end - 1, run_category(kCategoryRuns[i]));
  }
}

template <size_t N>
CodePointSet set_of(const CodePointRange (&ranges)[N]) {
  return CodePointSet(std::vector<CodePointRange>(ranges, ranges + N));
}

}  // namespace

const UnicodeTable& UnicodeTable::instance() {
  static const UnicodeTable table;
  return table;
}

UnicodeTable::UnicodeTable() {
  std::vector<u8> category(0x110000);
  for_each_run([&](char32_t first, char32_t last, u32 value) {
    std::fill(category.begin() + first, category.begin() + last + 1, static_cast<u8>(value));
  });
  std::map<std::string, u16> known_blocks;
  for (size_t block = 0; block < block_of_.size(); ++block) {
    const auto begin = category.begin() + static_cast<std::ptrdiff_t>(block * kBlockSize);
    const auto [known, is_new] = known_blocks.try_emplace(std::string(begin, begin + kBlockSize),
                                                          static_cast<u16>(known_blocks.size()));
    if (is_new) blocks_.insert(blocks_.end(), begin, begin + kBlockSize);
    block_of_[block] = known->second;
  }
}

CodePointSet code_points_of(CategoryMask mask) {
  std::vector<CodePointRange> ranges;
  for_each_run([&](char32_t first, char32_t last, u32 value) {
    if (((mask >> value) & 1) != 0) ranges.push_back({first, last});
  });
  return CodePointSet(std::move(ranges));
}

std::optional<CodePointSet> find_unicode_property(std::string_view name) {
  CategoryMask mask = 0;
  for (size_t i = 0; i < std::size(kCategoryNames); ++i) {
    // "L" means every category that begins with L.
    if (kCategoryNames[i] == name || kCategoryNames[i].substr(0, 1) == name) mask |= 1u << i;
  }
  if ((mask & mask_of(GeneralCategory::kCc)) != 0) mask |= mask_of(GeneralCategory::kCcSpace);
  if (mask != 0) return code_points_of(mask);
  if (name == "Han") return set_of(kHanRanges);
  if (name == "Hiragana") return set_of(kHiraganaRanges);
  if (name == "Katakana") return set_of(kKatakanaRanges);
  if (name == "Hangul") return set_of(kHangulRanges);
  return std::nullopt;
}

bool is_word_character(char32_t code_point) {
  constexpr CategoryMask kWord = kLetter | kMark | mask_of(GeneralCategory::kNd) |
                                 mask_of(GeneralCategory::kNl) | mask_of(GeneralCategory::kPc);
  // The symbols with the property Other_Alphabetic (circled letters and the like), and the joiners.
  constexpr CodePointRange kOthers[] = {{0x200C, 0x200D},
                                        {0x24B6, 0x24E9},
                                        {0x1F130, 0x1F149},
                                        {0x1F150, 0x1F169},
                                        {0x1F170, 0x1F189}};
  if ((UnicodeTable::instance().category(code_point) & kWord) != 0) return true;
  return std::any_of(std::begin(kOthers), std::end(kOthers), [&](const CodePointRange& range) {
    return range.first <= code_point && code_point <= range.last;
  });
}

bool is_white_space(char32_t code_point) {
  return (UnicodeTable::instance().category(code_point) & kWhiteSpace) != 0;
}

}  // namespace fathom::tokenizer
