#include "serve/api/token_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "tokenizer/unicode/utf8.h"

namespace fathom::serve {
namespace {

io::JsonArray bytes_of(std::string_view bytes) {
  io::JsonArray array;
  for (const char c : bytes) array.push_back(i64{static_cast<unsigned char>(c)});
  return array;
}

io::JsonObject entry(const ServedModel& model, i32 id, double log_prob, bool as_ids) {
  io::JsonObject object;
  object.set("token", token_name(model, id, as_ids));
  object.set("logprob", std::max(log_prob, kLeastLogProb));
  object.set("bytes", bytes_of(model.codec.tokenizer.token_bytes(id)));
  return object;
}

}  // namespace

std::string token_name(const ServedModel& model, i32 id, bool as_id) {
  if (as_id) return fmt::format("token_id:{}", id);
  const std::string_view bytes = model.codec.tokenizer.token_bytes(id);
  if (tokenizer::valid_utf8_prefix_bytes(bytes) == bytes.size()) return std::string(bytes);
  std::string name = "bytes:";
  for (const char c : bytes) name += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return name;
}

io::JsonObject chat_logprob(const ServedModel& model, const engine::Event& event, bool as_ids) {
  io::JsonObject object = entry(model, event.id, event.log_prob, as_ids);
  io::JsonArray tops;
  for (i64 i = 0; i < event.num_top; ++i) {
    const engine::TopLogProb& top = event.top[static_cast<size_t>(i)];
    tops.push_back(entry(model, top.id, top.log_prob, as_ids));
  }
  object.set("top_logprobs", std::move(tops));
  return object;
}

}  // namespace fathom::serve
