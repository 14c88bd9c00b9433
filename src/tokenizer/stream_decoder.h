#pragma once
// Decoding token by token for streaming: a token may end in the middle of a UTF-8 character, and
// half a character must never reach a terminal or an SSE client.
#include <string>
#include <string_view>

#include "base/types.h"
#include "tokenizer/tokenizer.h"

namespace fathom::tokenizer {

/// The concatenation of all push() results and finish() equals Tokenizer::decode of the same ids;
/// each result is valid UTF-8 by itself. Holds back at most 3 bytes. One per sequence; the
/// tokenizer must outlive it.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, SpecialTokens special = SpecialTokens::kKeep)
      : tokenizer_(&tokenizer), special_(special) {}

  /// The text that became complete with `id`, until the next call; may be empty.
  std::string_view push(i32 id);
  /// What is still held back, an unfinished character, as one U+FFFD. Ready for a new sequence
  /// after.
  std::string_view finish();

 private:
  const Tokenizer* tokenizer_;
  SpecialTokens special_;
  std::string pending_, text_, repaired_;  // kept, so that a token costs no allocation
};

}  // namespace fathom::tokenizer
