#include "tokenizer/unicode/unicode.h"

#include <gtest/gtest.h>

namespace fathom::tokenizer {
namespace {

bool is(char32_t c, CategoryMask mask) {
  return (UnicodeTable::instance().category(c) & mask) != 0;
}

TEST(Unicode, WellKnownCharactersHaveTheirCategories) {
  EXPECT_TRUE(is('A', mask_of(GeneralCategory::kLu)));
  EXPECT_TRUE(is(0x7684, mask_of(GeneralCategory::kLo)));  // 的
  EXPECT_TRUE(is(0x301, kMark));
  EXPECT_TRUE(is(0x664, mask_of(GeneralCategory::kNd)));
  EXPECT_TRUE(is(0xB2, mask_of(GeneralCategory::kNo)));
  EXPECT_TRUE(is('_', mask_of(GeneralCategory::kPc)));
  EXPECT_TRUE(is(0xFF5C, mask_of(GeneralCategory::kSm)));  // the bar of <｜User｜>
  EXPECT_TRUE(is(0x2581, mask_of(GeneralCategory::kSo)));  // ▁
  EXPECT_TRUE(is(0x1F600, kSymbol));
  EXPECT_TRUE(is(0xD800, mask_of(GeneralCategory::kCs)));
  EXPECT_TRUE(is(0x10FFFF, mask_of(GeneralCategory::kCn)));
}

TEST(Unicode, IsVersion16) {
  EXPECT_TRUE(is(0x1C89, kLetter));                        // came with 16.0
  EXPECT_TRUE(is(0xA7CE, mask_of(GeneralCategory::kCn)));  // comes with 17.0
}

TEST(Unicode, WhiteSpaceIsThePropertyOfThatName) {
  std::vector<CodePointRange> want = {
      {9, 13},          {' ', ' '},       {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
      {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
  EXPECT_EQ(code_points_of(kWhiteSpace), CodePointSet(want));
  EXPECT_FALSE(is_white_space(0x180E));  // was until Unicode 6.3, and is \h to PCRE2
  EXPECT_FALSE(is_white_space(0x200B));
}

TEST(Unicode, PropertiesByName) {
  EXPECT_EQ(find_unicode_property("L"), code_points_of(kLetter));
  EXPECT_EQ(find_unicode_property("Nd"), code_points_of(mask_of(GeneralCategory::kNd)));
  EXPECT_TRUE(find_unicode_property("Cc")->contains('\n'));
  EXPECT_TRUE(find_unicode_property("Han")->contains(0x4E00));
  EXPECT_FALSE(find_unicode_property("Han")->contains(0x3042));
  EXPECT_EQ(find_unicode_property("Klingon"), std::nullopt);
  EXPECT_EQ(find_unicode_property(""), std::nullopt);
}

TEST(Unicode, EveryCodePointIsInExactlyOneTopCategory) {
  CodePointSet all;
  size_t total = 0;
  for (const char* name : {"L", "M", "N", "P", "S", "Z", "C"}) {
    const CodePointSet set = *find_unicode_property(name);
    for (const CodePointRange& range : set.ranges()) total += range.last - range.first + 1;
    all = all.unite(set);
  }
  EXPECT_EQ(total, 0x110000u - 0x800u);  // all but the surrogates
  EXPECT_TRUE(all.complement().empty());
}

TEST(Unicode, WordCharactersIncludeCircledLettersAndJoiners) {
  for (const char32_t c : {U'a', U'_', U'7', U'é', U'的', char32_t{0x301}, char32_t{0x24B6},
                           char32_t{0x200D}, char32_t{0x2160}}) {
    EXPECT_TRUE(is_word_character(c)) << static_cast<u32>(c);
  }
  for (const char32_t c : {U' ', U'-', U'.', char32_t{0xB2}, char32_t{0x2460}}) {
    EXPECT_FALSE(is_word_character(c)) << static_cast<u32>(c);
  }
}

TEST(CodePointSet, MergesSortsAndDropsSurrogates) {
  const CodePointSet set({{'m', 'z'}, {'a', 'm'}, {0xD000, 0xE000}});
  const std::vector<CodePointRange> want = {{'a', 'z'}, {0xD000, 0xD7FF}, {0xE000, 0xE000}};
  EXPECT_EQ(std::vector(set.ranges().begin(), set.ranges().end()), want);
}

TEST(CodePointSet, AlgebraAgreesWithMembership) {
  const CodePointSet a({{'0', '9'}, {0x100, 0x3FF}, {0xFFFF, 0x10FFFF}});
  const CodePointSet b({{'5', 'f'}, {0x200, 0x200}, {0x10000, 0x10000}});
  for (char32_t c = 0; c <= 0x10FFFF; c = c < 0x500 ? c + 1 : c + 251) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    ASSERT_EQ(a.complement().contains(c), !a.contains(c)) << static_cast<u32>(c);
    ASSERT_EQ(a.unite(b).contains(c), a.contains(c) || b.contains(c)) << static_cast<u32>(c);
    ASSERT_EQ(a.intersect(b).contains(c), a.contains(c) && b.contains(c)) << static_cast<u32>(c);
  }
  EXPECT_EQ(a.complement().complement(), a);
}

}  // namespace
}  // namespace fathom::tokenizer
