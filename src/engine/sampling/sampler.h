#pragma once
// From logits to the next token.
#include <optional>
#include <span>
#include <vector>

#include "base/rng.h"
#include "engine/sampling/sampling_params.h"
#include "tensor/view.h"

namespace fathom::engine {

/// What a token's place allows beside SamplingParams.
struct TokenRules {
  std::optional<i32> only;  // nothing else, whatever `mask` says
  /// As TokenMask::allowed(); null: everything.
  const std::span<const u32>* mask = nullptr;
  std::span<const i32> banned;  // never here: end tokens before min_tokens
};

/// The sampler of one sequence. The draw at step n depends on the seed, the stream, n and the
/// logits alone. Allocates nothing after construction.
class Sampler {
 public:
  /// Ids from `num_ids` on are never sampled: rows of the head that no token uses.
  /// `stream`: continuations of one prompt draw apart from each other.
  Sampler(const SamplingParams& params, i64 vocab_size, i64 num_ids, u64 stream = 0);

  /// Tokens of the prompt: they count for repetition_penalty only.
  void observe_prompt(std::span<const i32> ids);

  /// The next token; it is counted as generated. `logits` [vocab] is used as scratch.
  /// Throws Error{kInvalidInput} if no allowed logit is a number: the model's arithmetic failed,
  /// or the mask allows nothing.
  i32 sample(View<float, 1> logits, const TokenRules& rules = {});

 private:
  struct Candidate {
    float logit;
    i32 id;
    float weight;  // e^((logit - largest) / temperature)
  };

  void bias_and_penalise(View<float, 1> logits) const;
  void forbid(View<float, 1> logits, const TokenRules& rules) const;
  i32 largest(View<const float, 1> logits) const;
  i32 draw(View<const float, 1> logits, i32 best);
  i32 draw_of_all(double remaining, i32 best) const;
  i32 draw_of_candidates(double remaining, i32 best) const;
  void collect(View<const float, 1> logits, float least_logit, double least_weight);
  float top_k_bound(View<const float, 1> logits);
  void keep_top_k();
  double keep_top_p(double total);

  SamplingParams params_;
  Philox rng_;
  i64 num_ids_;
  std::vector<bool> seen_;             // in the prompt or generated
  std::vector<i32> generated_count_;   // by id
  std::vector<i32> seen_ids_;          // the ids set in seen_, so that penalties visit only these
  std::vector<float> weights_;         // [ids]
  std::vector<double> sums_;           // of their blocks
  std::vector<Candidate> candidates_;  // where not all are
  u64 step_ = 0;
};

}  // namespace fathom::engine
