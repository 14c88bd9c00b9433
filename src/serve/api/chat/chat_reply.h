#pragma once
// What both forms of a chat answer have in common.
#include <memory>
#include <string>

#include "serve/api/chat/chat_request.h"
#include "serve/generate/run.h"

namespace fathom::serve {

/// The answer to one chat request, known before its first token.
struct ChatReply {
  const ServedModel& model;
  ChatOptions options;
  std::string id;  // "chatcmpl-..."
  i64 created = 0;
  std::vector<i32> prompt_ids = {};  // where the client wants them back
};

/// The members that whole answers and chunks begin with.
void add_heading(const ChatReply& reply, std::string_view object, io::JsonObject& out);

/// {"seed": ...}: what was drawn for the client.
io::JsonObject own_facts(const Run& run);

std::unique_ptr<http::BodyStream> stream_chat(ChatReply reply, std::unique_ptr<Run> run,
                                              const std::string& request_id);
std::unique_ptr<http::LateResponse> whole_chat(ChatReply reply, std::unique_ptr<Run> run,
                                               const std::string& request_id);

}  // namespace fathom::serve
