#pragma once
// A set of Unicode scalar values as sorted ranges: what a character class of a pattern means.
#include <array>
#include <span>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {

struct CodePointRange {
  char32_t first = 0;
  char32_t last = 0;  // inclusive

  bool operator==(const CodePointRange&) const = default;
};

/// Immutable once built. Surrogates never belong to a set, since text has none.
class CodePointSet {
 public:
  CodePointSet() = default;
  /// Any order, overlaps allowed; first <= last <= 0x10FFFF.
  explicit CodePointSet(std::vector<CodePointRange> ranges);
  static CodePointSet of(std::u32string_view characters);

  bool contains(char32_t code_point) const {
    if (code_point < 128) return ((ascii_[code_point / 64] >> (code_point % 64)) & 1) != 0;
    return contains_non_ascii(code_point);
  }
  bool empty() const { return ranges_.empty(); }
  /// Sorted, disjoint, not touching.
  std::span<const CodePointRange> ranges() const { return ranges_; }

  CodePointSet complement() const;
  CodePointSet unite(const CodePointSet& other) const;
  CodePointSet intersect(const CodePointSet& other) const;
  bool operator==(const CodePointSet& other) const { return ranges_ == other.ranges_; }

 private:
  bool contains_non_ascii(char32_t code_point) const;

  std::vector<CodePointRange> ranges_;
  std::array<u64, 2> ascii_{};
};

}  // namespace fathom::tokenizer
