#pragma once
// The body of POST /v1/chat/completions.
#include "serve/api/call.h"
#include "serve/api/stream_counts.h"
#include "serve/generate/prepare.h"

namespace fathom::serve {

struct ChatOptions {
  NamedModel model;
  StreamOptions stream;
  i64 top_logprobs = -1;  // -1: no log-probabilities
  bool include_reasoning = true;
  bool return_token_ids = false;
  bool tokens_as_ids = false;  // "token_id:17" in the place of a token's text
};

struct ChatBody {
  ChatOptions options;
  SamplingFields sampling;
  Conversation conversation;
  AnswerFormat format;
};

/// The body's members by class, for the published list and for check_fields().
std::vector<std::span<const FieldRule>> chat_rules();
ApiResult<ChatBody> read_chat_body(const Call& call);

}  // namespace fathom::serve
