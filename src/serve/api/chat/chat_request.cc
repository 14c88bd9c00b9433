#include "serve/api/chat/chat_request.h"

#include <array>

namespace fathom::serve {
namespace {

std::span<const FieldRule> own_rules() {
  static constexpr std::array kRules = {
      FieldRule{"logprobs"},
      FieldRule{"top_logprobs"},
      FieldRule{"include_reasoning"},
      FieldRule{"return_token_ids"},
      FieldRule{"return_tokens_as_token_ids"},
      FieldRule{"echo", FieldClass::kRefused},
  };
  return kRules;
}

void read_logprobs(FieldReader& reader, ChatOptions& options) {
  const bool wanted = reader.boolean("logprobs").value_or(false);
  const auto top = reader.integer("top_logprobs", 0, engine::kMaxTopLogProbs);
  if (top.value_or(0) > 0 && !wanted) {
    reader.fail(bad_request("unsupported_value", "top_logprobs",
                            "top_logprobs: expected \"logprobs\": true beside it"));
  }
  if (wanted) options.top_logprobs = top.value_or(0);
}

}  // namespace

std::vector<std::span<const FieldRule>> chat_rules() {
  return {conversation_rules(), sampling_rules(), answer_format_rules(), stream_rules(),
          own_rules()};
}

ApiResult<ChatBody> read_chat_body(const Call& call) {
  FieldReader reader(call.fields());
  ChatBody body;
  auto model = resolve_model(reader, call.model);
  if (!model) return tl::unexpected(std::move(model.error()));
  body.options.model = std::move(*model);
  body.options.stream = read_stream_options(reader);
  read_logprobs(reader, body.options);
  body.options.include_reasoning = reader.boolean("include_reasoning").value_or(true);
  body.options.return_token_ids = reader.boolean("return_token_ids").value_or(false);
  body.options.tokens_as_ids = reader.boolean("return_tokens_as_token_ids").value_or(false);
  body.sampling = read_sampling(reader, call.model);
  body.format = read_answer_format(reader);
  body.conversation = read_conversation(reader, call.model, body.options.model.thinking);
  const auto checked = check_fields(call, reader, chat_rules(), body.conversation.ignored);
  if (!checked) return tl::unexpected(checked.error());
  return body;
}

}  // namespace fathom::serve
