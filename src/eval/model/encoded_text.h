#pragma once
// A context and a text as tokens.
#include <string>
#include <string_view>
#include <vector>

#include "engine/prompt.h"
#include "eval/task/items.h"

namespace fathom::eval {

struct EncodedText {
  std::vector<i32> ids;    // of both
  i64 context_tokens = 0;  // of those; the text's follow, at least one
  bool truncated = false, merged = false;
};

/// The boundary rule of lm-eval: white space at the context's end belongs to the text; both are
/// encoded as a whole, and the text's tokens are those behind as many as the context alone has. An
/// empty context is the token with which texts begin (BOS, else EOS), unless the text itself begins
/// with that. What does not fit `window` + 1 tokens is cut from the left.
/// Source: lm-evaluation-harness 0.4.13, api/model.py `_encode_pair`, models/huggingface.py.
class TextEncoder {
 public:
  TextEncoder(const engine::TextCodec& codec, i64 window) : codec_(codec), window_(window) {}

  /// kInvalidInput: the text has no token.
  Result<EncodedText> encode(const ContextAndText& request);
  /// The token with which texts begin, and those of a document.
  std::vector<i32> encode_document(std::string_view text) const;
  /// The last `window` - `max_tokens` tokens of a prompt.
  std::vector<i32> encode_prompt(std::string_view prompt, i64 max_tokens, bool& truncated) const;

 private:
  i32 first_token() const;

  const engine::TextCodec& codec_;
  i64 window_;
  std::string last_context_;  // options of one item come one after the other
  i64 last_context_tokens_ = -1;
};

}  // namespace fathom::eval
