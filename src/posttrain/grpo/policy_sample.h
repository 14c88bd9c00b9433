#pragma once
#include <vector>

#include "base/types.h"
#include "posttrain/reward/reward.h"

namespace fathom::posttrain {

/// One answer that the policy gave, with what the loss needs of it.
struct PolicySample {
  i64 prompt = 0;  // number among the prompts of its set
  i64 group = 0;   // of the run: groups are by occurrence, not by the prompt's text
  i32 choice = 0;
  std::vector<i32> ids;  // the prompt, then the answer with the token that ended it
  i64 prompt_tokens = 0;
  std::vector<u8> marks;  // [ids] 1: a target, behind the prompt; empty: every token is
  bool truncated = false;
  /// [answer tokens] log-probabilities: under the distribution that was sampled from; by the
  /// training pass with the weights of the rollout (empty: not computed apart); of the reference.
  std::vector<double> rollout_log_probs, old_log_probs, reference_log_probs;
  /// [ids - 1, MoE layers, topk] experts of every token that the rollout computed; empty: none
  /// kept.
  std::vector<u16> routes;
  Reward reward;
  bool kept = true;
  double advantage = 0.0;

  i64 answer_tokens() const { return static_cast<i64>(ids.size()) - prompt_tokens; }
  bool is_target(i64 token) const {
    return token >= prompt_tokens && token < static_cast<i64>(ids.size()) &&
           (marks.empty() || marks[static_cast<size_t>(token)] != 0);
  }
};

}  // namespace fathom::posttrain
