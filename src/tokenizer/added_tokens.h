#pragma once
// Finds added tokens in text: leftmost, and of those that start there the longest, as the automaton
// of Hugging Face `tokenizers` does.
#include <array>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

/// A stretch of text, or, with token_id >= 0, one added token with what it swallowed around it.
struct TextSegment {
  std::string_view text;
  i32 token_id = -1;
};

class AddedTokenMatcher {
 public:
  AddedTokenMatcher() = default;
  explicit AddedTokenMatcher(std::vector<AddedToken> tokens);

  /// Cuts `text` (valid UTF-8) into segments in order. `single_word`, `lstrip` and `rstrip` look at
  /// `text` alone.
  void split(std::string_view text, FunctionRef<void(TextSegment)> on_segment) const;
  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text, size_t pos) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  std::array<bool, 256> is_first_byte_{};
};

}  // namespace fathom::tokenizer
