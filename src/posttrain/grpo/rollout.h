#pragma once
// The policy answers: by the engine, on the weights in training.
#include <functional>
#include <memory>
#include <vector>

#include "device/ctx.h"
#include "engine/make_engine.h"
#include "model/training/training_model.h"
#include "posttrain/grpo/policy_sample.h"
#include "posttrain/grpo/prompt_set.h"

namespace fathom::posttrain {

struct RolloutConfig {
  i64 group_size = 1;
  i64 max_new_tokens = 64;
  i64 parallel = 256;        // samples at a time
  double temperature = 1.0;  // 0: the likeliest token
  double top_p = 1.0;        // log-probabilities are those without this cut
  std::vector<i32> end_ids;
  bool routes = false;  // keep the experts of each token
  bool f32 = false;     // activations and cache as training's F32, else BF16
  u64 seed = 0;
};

/// A prompt to answer, and where it stands in the run.
struct RolloutPrompt {
  const Prompt* prompt = nullptr;
  i64 number = 0;  // in its set
  i64 group = 0;   // of the run
};

/// group_size samples of each prompt, prompt by prompt, with the policy's log-probabilities, which
/// are those of the draws at this temperature without a cut (at 0: of temperature 1). A prompt is
/// computed once for its group. What sample c of group g is depends on the weights, the seed, g and
/// c alone: not on threads, parallel or other groups. Rewards are not filled in.
std::vector<PolicySample> roll_out(Ctx& ctx, const model::Model& policy,
                                   const tokenizer::Tokenizer& tokenizer,
                                   const std::vector<RolloutPrompt>& prompts,
                                   const RolloutConfig& config);

}  // namespace fathom::posttrain
