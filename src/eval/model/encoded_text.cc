#include "eval/model/encoded_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "eval/text/python_text.h"

namespace fathom::eval {

i32 TextEncoder::first_token() const {
  for (const auto& name : {codec_.config.bos_token, codec_.config.eos_token}) {
    if (!name) continue;
    if (const auto id = codec_.tokenizer.token_to_id(*name)) return *id;
  }
  if (!codec_.prefix_ids.empty()) return codec_.prefix_ids.front();
  throw Error(ErrorCode::kUnsupported,
              "an option is scored without a context, and the tokenizer names neither a BOS nor an "
              "EOS token to stand there");
}

Result<EncodedText> TextEncoder::encode(const ContextAndText& request) {
  constexpr auto kMarkup = tokenizer::TextKind::kMarkup;
  EncodedText out;
  if (request.context.empty()) {
    out.ids = codec_.tokenizer.encode(request.text, {.text = kMarkup});
    const i32 first = first_token();
    if (out.ids.empty() || out.ids.front() != first) out.ids.insert(out.ids.begin(), first);
    out.context_tokens = 1;
  } else {
    const std::string_view context = strip_right(request.context);
    const std::string text = request.context.substr(context.size()) + request.text;
    if (last_context_tokens_ < 0 || context != last_context_) {
      last_context_ = context;
      last_context_tokens_ = std::ssize(engine::encode_prompt(codec_, context, kMarkup));
    }
    out.ids = engine::encode_prompt(codec_, std::string(context) + text, kMarkup);
    out.context_tokens = last_context_tokens_;
    if (out.context_tokens >= std::ssize(out.ids)) {
      out.context_tokens = std::ssize(out.ids) - 1;
      out.merged = true;
    }
  }
  const bool nothing =
      strip_right(request.context).size() == request.context.size() && request.text.empty();
  if (nothing || std::ssize(out.ids) <= out.context_tokens || out.context_tokens < 1) {
    return invalid_input(
        fmt::format("\"{}\" behind \"{}\": no token to score", request.text, request.context));
  }
  if (const i64 over = std::ssize(out.ids) - (window_ + 1); over > 0) {
    out.ids.erase(out.ids.begin(), out.ids.begin() + over);
    out.context_tokens = std::max<i64>(1, out.context_tokens - over);
    out.truncated = true;
  }
  return out;
}

std::vector<i32> TextEncoder::encode_document(std::string_view text) const {
  std::vector<i32> ids = codec_.tokenizer.encode(text, {.text = tokenizer::TextKind::kMarkup});
  ids.insert(ids.begin(), first_token());
  return ids;
}

std::vector<i32> TextEncoder::encode_prompt(std::string_view prompt, i64 max_tokens,
                                            bool& truncated) const {
  std::vector<i32> ids = engine::encode_prompt(codec_, prompt, tokenizer::TextKind::kMarkup);
  const i64 room = std::max<i64>(1, window_ - max_tokens);
  const i64 over = std::ssize(ids) - room;
  truncated = over > 0;
  if (truncated) ids.erase(ids.begin(), ids.begin() + over);
  return ids;
}

}  // namespace fathom::eval
