#include "serve/api/chat/chat_reply.h"

#include "base/log.h"

namespace fathom::serve {

void add_heading(const ChatReply& reply, std::string_view object, io::JsonObject& out) {
  out.set("id", reply.id);
  out.set("object", object);
  out.set("created", reply.created);
  out.set("model", reply.options.model.name);
  out.set("system_fingerprint", reply.model.fingerprint);
}

io::JsonObject own_facts(const Run& run) {
  io::JsonObject facts;
  facts.set("seed", static_cast<i64>(run.seed()));
  return facts;
}

io::JsonValue late_error(const Finish& finish, const std::string& request_id) {
  log::error("request {}: {}", request_id, finish.error);
  return openai_error(server_fault(request_id));
}

}  // namespace fathom::serve
