#pragma once
// The body of POST /v1/responses, OpenAI's Responses API without its state: every request brings
// its whole conversation.
#include "serve/api/call.h"
#include "serve/api/responses/response_tools.h"
#include "serve/generate/prepare.h"

namespace fathom::serve {

struct ResponsesBody {
  NamedModel model;
  bool stream = false;
  i64 top_logprobs = -1;  // -1: no log-probabilities
  SamplingFields sampling;
  Conversation conversation;
  AnswerFormat format;
  ToolNames tools;
};

/// The body's members by class.
std::vector<std::span<const FieldRule>> responses_rules();
ApiResult<ResponsesBody> read_responses_body(const Call& call);

/// `instructions` and `input` as a conversation. Items of other tools are left out, and named in
/// `ignored`.
void read_items(FieldReader& reader, Conversation& conversation);

}  // namespace fathom::serve
