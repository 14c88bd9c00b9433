#include "serve/api/messages/messages_reply.h"

namespace fathom::serve {

io::JsonObject anthropic_usage(const Usage& usage) {
  io::JsonObject object;
  object.set("input_tokens", usage.prompt_tokens - usage.cached_tokens);
  object.set("cache_creation_input_tokens", 0);
  object.set("cache_read_input_tokens", usage.cached_tokens);
  object.set("output_tokens", usage.completion_tokens);
  return object;
}

io::JsonObject stop_members(const MessagesReply& reply, const Finish& finish) {
  std::string_view reason = "end_turn";
  if (finish.reason == Finish::Reason::kToolCalls) reason = "tool_use";
  if (finish.reason == Finish::Reason::kLength) {
    reason = reply.is_clamped ? "model_context_window_exceeded" : "max_tokens";
  }
  if (!finish.stop_text.empty()) reason = "stop_sequence";
  io::JsonObject object;
  object.set("stop_reason", reason);
  object.set("stop_sequence",
             finish.stop_text.empty() ? io::JsonValue() : io::JsonValue(finish.stop_text));
  return object;
}

io::JsonObject message_heading(const MessagesReply& reply, io::JsonArray content) {
  io::JsonObject object;
  object.set("id", reply.id);
  object.set("type", "message");
  object.set("role", "assistant");
  object.set("model", reply.model);
  object.set("content", std::move(content));
  object.set("stop_reason", io::JsonValue());
  object.set("stop_sequence", io::JsonValue());
  return object;
}

}  // namespace fathom::serve
