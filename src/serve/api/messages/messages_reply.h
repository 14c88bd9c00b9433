#pragma once
// The answer to one Messages request, known before its first token.
#include <memory>
#include <string>

#include "serve/api/messages/messages_request.h"
#include "serve/generate/run.h"

namespace fathom::serve {

struct MessagesReply {
  std::string id;           // "msg_..."
  std::string model;        // as the client called it
  bool is_clamped = false;  // the context ends before max_tokens does
};

/// {"input_tokens", "output_tokens", ...}: what was found in the cache is no input here.
io::JsonObject anthropic_usage(const Usage& usage);
/// "end_turn", "tool_use", ...; and the stop sequence that came, or null.
io::JsonObject stop_members(const MessagesReply& reply, const Finish& finish);
/// {"id", "type", "role", "model", "content", ...}, as a stream begins with it.
io::JsonObject message_heading(const MessagesReply& reply, io::JsonArray content);

std::unique_ptr<http::BodyStream> stream_message(MessagesReply reply, std::unique_ptr<Run> run,
                                                 const std::string& request_id);
std::unique_ptr<http::LateResponse> whole_message(MessagesReply reply, std::unique_ptr<Run> run,
                                                  const std::string& request_id);

}  // namespace fathom::serve
