#include "tokenizer/unicode/code_point_set.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::tokenizer {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr CodePointRange kSurrogates = {0xD800, 0xDFFF};

/// Cuts the surrogates out of `range`.
void push_scalars(CodePointRange range, std::vector<CodePointRange>& out) {
  if (range.last < kSurrogates.first || range.first > kSurrogates.last) {
    out.push_back(range);
    return;
  }
  if (range.first < kSurrogates.first) out.push_back({range.first, kSurrogates.first - 1});
  if (range.last > kSurrogates.last) out.push_back({kSurrogates.last + 1, range.last});
}

}  // namespace

CodePointSet::CodePointSet(std::vector<CodePointRange> ranges) {
  std::sort(ranges.begin(), ranges.end(),
            [](const CodePointRange& a, const CodePointRange& b) { return a.first < b.first; });
  std::vector<CodePointRange> merged;
  for (const CodePointRange& range : ranges) {
    FATHOM_CHECK(range.first <= range.last && range.last <= kLastCodePoint);
    if (!merged.empty() && range.first <= merged.back().last + 1) {
      merged.back().last = std::max(merged.back().last, range.last);
    } else {
      merged.push_back(range);
    }
  }
  for (const CodePointRange& range : merged) push_scalars(range, ranges_);
  for (const CodePointRange& range : ranges_) {
    for (char32_t c = range.first; c <= range.last && c < 128; ++c) {
      ascii_[c / 64] |= u64{1} << (c % 64);
    }
  }
}

CodePointSet CodePointSet::of(std::u32string_view characters) {
  std::vector<CodePointRange> ranges;
  for (const char32_t c : characters) ranges.push_back({c, c});
  return CodePointSet(std::move(ranges));
}

bool CodePointSet::contains_non_ascii(char32_t code_point) const {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), code_point,
                       [](char32_t c, const CodePointRange& range) { return c < range.first; });
  return after != ranges_.begin() && code_point <= std::prev(after)->last;
}

CodePointSet CodePointSet::complement() const {
  std::vector<CodePointRange> gaps;
  char32_t next = 0;
  for (const CodePointRange& range : ranges_) {
    if (range.first > next) gaps.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kLastCodePoint) gaps.push_back({next, kLastCodePoint});
  return CodePointSet(std::move(gaps));
}

CodePointSet CodePointSet::unite(const CodePointSet& other) const {
  std::vector<CodePointRange> all = ranges_;
  all.insert(all.end(), other.ranges_.begin(), other.ranges_.end());
  return CodePointSet(std::move(all));
}

CodePointSet CodePointSet::intersect(const CodePointSet& other) const {
  std::vector<CodePointRange> common;
  for (size_t i = 0, j = 0; i < ranges_.size() && j < other.ranges_.size();) {
    const CodePointRange& a = ranges_[i];
    const CodePointRange& b = other.ranges_[j];
    const char32_t first = std::max(a.first, b.first);
    const char32_t last = std::min(a.last, b.last);
    if (first <= last) common.push_back({first, last});
    (a.last < b.last) ? ++i : ++j;
  }
  return CodePointSet(std::move(common));
}

}  // namespace fathom::tokenizer
