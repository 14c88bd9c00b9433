#pragma once
// The body of POST /v1/chat/completions.
#include "serve/api/call.h"
#include "serve/generate/prepare.h"

namespace fathom::serve {

struct StreamOptions {
  bool stream = false;
  bool include_usage = false;     // in a chunk of its own, at the end
  bool continuous_usage = false;  // in every chunk
};

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

/// `stream` and `stream_options`, of both of OpenAI's older dialects.
StreamOptions read_stream_options(FieldReader& reader);

}  // namespace fathom::serve
