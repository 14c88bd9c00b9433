#pragma once
// The body of POST /v1/messages and /v1/messages/count_tokens, Anthropic's Messages API.
#include "serve/api/call.h"
#include "serve/generate/prepare.h"

namespace fathom::serve {

struct MessagesBody {
  NamedModel model;
  bool stream = false;
  SamplingFields sampling;
  Conversation conversation;
  AnswerFormat format;
};

/// The body's members by class.
std::vector<std::span<const FieldRule>> messages_rules();
/// `counts`: only the prompt's tokens are asked for, and max_tokens is not needed.
ApiResult<MessagesBody> read_messages_body(const Call& call, bool counts);

/// `system` and `messages` as a conversation. Blocks that say nothing here (redacted thoughts,
/// results of a server's own tools) are left out, and named in `ignored`.
void read_messages(FieldReader& reader, Conversation& conversation);
/// `tools` and `tool_choice`. Tools of Anthropic's servers, which have no schema, are left out and
/// named.
void read_messages_tools(FieldReader& reader, Conversation& conversation);

}  // namespace fathom::serve
