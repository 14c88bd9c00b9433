#pragma once
#include <vector>

#include "config/model/model_config.h"

namespace fathom::model {

/// The layers of experts of a config: [layer number], rising; MTP modules' stand behind the main
/// model's.
std::vector<i64> moe_layers(const ModelConfig& config);

/// Sums over the micro-batches of a step; divide by LossScale's numbers to get means.
struct StepStats {
  explicit StepStats(const ModelConfig& config);
  void clear();
  /// The sum, always in the order of the layers, which may be on several ranks.
  double balance_loss() const;

  double nll = 0.0;  // of main targets, in nats
  i64 targets = 0;
  std::vector<double> mtp_nll;    // [mtp_depth]
  std::vector<i64> mtp_targets;   // [mtp_depth]
  std::vector<i64> mtp_drafts;    // [mtp_depth] tokens that a module drafts
  std::vector<i64> mtp_accepted;  // [mtp_depth] of them that the main model names itself: what
                                  // speculative decoding would accept
  i64 dropped = 0;                // token-expert pairs that capacity dropped
  /// [MoE layers][experts] token-expert pairs; in the order of moe_layers().
  std::vector<std::vector<i64>> expert_counts;
  std::vector<double> balance_losses;  // [MoE layers] scaled: their share of the step's loss
  std::vector<double> router_entropy;  // [MoE layers] summed over tokens, nats, of s'
  i64 tokens = 0;                      // input tokens, without padding
};

}  // namespace fathom::model
