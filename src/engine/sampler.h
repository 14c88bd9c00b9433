#pragma once
// From logits to the next token.
#include <span>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "tensor/view.h"

namespace fathom::engine {

/// The defaults sample from the model's own distribution. The order in which they act is vLLM's:
/// penalties, temperature, min-p, top-k, top-p.
struct SamplingParams {
  double temperature = 1.0;  // >= 0; 0 takes the largest logit
  i64 top_k = 0;             // keep the k largest; 0: all
  double top_p = 1.0;        // keep the smallest set with this much probability; in (0, 1]
  double min_p = 0.0;        // drop below min_p * the largest probability; in [0, 1]
  double repetition_penalty =
      1.0;  // > 0; divides positive, multiplies negative logits of seen tokens
  double presence_penalty = 0.0;   // in [-2, 2]; subtracted once from generated tokens
  double frequency_penalty = 0.0;  // in [-2, 2]; subtracted for each time a token was generated
  u64 seed = 0;
};

/// All fields outside their range at once.
Result<void> validate(const SamplingParams& params);

/// The sampler of one sequence. The draw at step n depends on the seed, n and the logits alone.
/// Allocates nothing after construction.
class Sampler {
 public:
  /// `allowed[id]` false: the id is never sampled (rows of the head that no token uses).
  Sampler(const SamplingParams& params, std::vector<bool> allowed);

  /// Tokens of the prompt: they count for repetition_penalty only.
  void observe_prompt(std::span<const i32> ids);

  /// The next token; it is counted as generated. `logits` [vocab] is used as scratch.
  /// Throws Error{kInvalidInput} if no allowed logit is a number: the model's arithmetic failed.
  i32 sample(View<float, 1> logits);

 private:
  struct Candidate {
    float logit;
    i32 id;
  };

  void penalise(View<float, 1> logits) const;
  i32 draw(View<float, 1> logits);
  void keep_top_k();
  double keep_top_p(double total);

  SamplingParams params_;
  Philox rng_;
  std::vector<bool> allowed_;
  std::vector<bool> seen_;            // in the prompt or generated
  std::vector<i32> generated_count_;  // by id
  std::vector<i32> seen_ids_;         // the ids set in seen_, so that penalties visit only these
  std::vector<Candidate> candidates_;
  u64 step_ = 0;
};

}  // namespace fathom::engine
