#pragma once
// Against token-boundary bias: V3's tokenizer joins punctuation and line breaks in one token
// (".\n"), so a prompt that ends without a line break would show the model a token it hardly ever
// saw there. A random share of such tokens is split in training. Source: DeepSeek-V3 §4.1 (the
// share is not published).
#include <span>
#include <vector>

#include "base/types.h"
#include "tokenizer/tokenizer.h"

namespace fathom::data {

class TokenSplitter {
 public:
  /// Finds every token that ends in line breaks with something other than white space before them,
  /// and its two parts as the tokenizer writes each alone.
  explicit TokenSplitter(const tokenizer::Tokenizer& tokenizer);

  /// Empty if `id` is no such token.
  std::span<const i32> parts(i32 id) const;
  i64 num_splittable() const { return num_splittable_; }

  /// Splits each such token of `ids` with probability `rate`; the decoded bytes stay the same.
  /// Returns how many were split. Token i of document `document` draws the same number always.
  i64 apply(std::vector<i32>& ids, double rate, u64 seed, u64 document) const;

 private:
  std::vector<u32> begins_;  // [vocab + 1] into parts_
  std::vector<i32> parts_;
  i64 num_splittable_ = 0;
};

}  // namespace fathom::data
