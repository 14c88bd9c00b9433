#include "serve/api/chat/chat_reply.h"

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

}  // namespace fathom::serve
