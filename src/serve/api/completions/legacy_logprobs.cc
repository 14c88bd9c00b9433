#include "serve/api/completions/legacy_logprobs.h"

#include <algorithm>

#include "serve/api/token_text.h"

namespace fathom::serve {

void LegacyLogprobs::add_token(i32 id) {
  tokens_.push_back(token_name(*model_, id, tokens_as_ids_));
  offsets_.push_back(offset_);
  for (const char c : model_->codec.tokenizer.token_bytes(id)) {
    offset_ += (static_cast<unsigned char>(c) & 0xC0) != 0x80;  // where a character begins
  }
}

void LegacyLogprobs::add_first(i32 id) {
  add_token(id);
  log_probs_.push_back({});
  tops_.push_back({});
}

void LegacyLogprobs::add(const engine::Event& event) {
  add_token(event.id);
  log_probs_.push_back(std::max(event.log_prob, kLeastLogProb));
  tops_.push_back(tops_of(event));
}

io::JsonObject LegacyLogprobs::tops_of(const engine::Event& event) const {
  io::JsonObject tops;
  const auto put = [&](i32 id, double log_prob) {
    std::string name = token_name(*model_, id, tokens_as_ids_);
    if (tops.find(name) != nullptr) name = token_name(*model_, id, true);
    tops.set(std::move(name), std::max(log_prob, kLeastLogProb));
  };
  put(event.id, event.log_prob);  // first, so that it has its own name
  for (i64 i = 0; i < event.num_top; ++i) {
    const engine::TopLogProb& top = event.top[static_cast<size_t>(i)];
    if (top.id != event.id) put(top.id, top.log_prob);
  }
  return tops;
}

io::JsonObject LegacyLogprobs::take() {
  io::JsonObject object;
  object.set("tokens", std::exchange(tokens_, {}));
  object.set("token_logprobs", std::exchange(log_probs_, {}));
  object.set("top_logprobs", std::exchange(tops_, {}));
  object.set("text_offset", std::exchange(offsets_, {}));
  return object;
}

}  // namespace fathom::serve
