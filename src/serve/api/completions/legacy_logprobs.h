#pragma once
// The older API's log-probabilities, as lm-evaluation-harness reads them.
#include <optional>
#include <string>

#include "engine/request.h"
#include "io/json.h"
#include "serve/generate/served_model.h"

namespace fathom::serve {

/// {"tokens", "token_logprobs", "top_logprobs", "text_offset"}: one entry a token. An entry of
/// top_logprobs always has the token itself, with the very number of token_logprobs; no two tokens
/// share a key.
class LegacyLogprobs {
 public:
  LegacyLogprobs(const ServedModel& model, bool tokens_as_ids)
      : model_(&model), tokens_as_ids_(tokens_as_ids) {}

  /// The first token of a prompt, which nothing foretells: null in both.
  void add_first(i32 id);
  void add(const engine::Event& event);
  bool empty() const { return tokens_.empty(); }
  /// What was added since the last time; offsets go on.
  io::JsonObject take();

 private:
  void add_token(i32 id);
  io::JsonObject tops_of(const engine::Event& event) const;

  const ServedModel* model_;
  bool tokens_as_ids_;
  io::JsonArray tokens_, log_probs_, tops_, offsets_;
  i64 offset_ = 0;  // in characters
};

}  // namespace fathom::serve
