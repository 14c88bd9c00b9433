#include "model/training/step_stats.h"

#include <algorithm>
#include <numeric>

namespace fathom::model {

std::vector<i64> moe_layers(const ModelConfig& config) {
  std::vector<i64> layers;
  for (i64 i = 0; i < config.num_hidden_layers + config.num_nextn_predict_layers; ++i) {
    if (config.is_moe_layer(i)) layers.push_back(i);
  }
  return layers;
}

StepStats::StepStats(const ModelConfig& config) {
  const size_t modules = static_cast<size_t>(config.num_nextn_predict_layers);
  const size_t layers = moe_layers(config).size();
  mtp_nll.resize(modules);
  mtp_targets.resize(modules);
  mtp_drafts.resize(modules);
  mtp_accepted.resize(modules);
  expert_counts.resize(layers);
  for (auto& counts : expert_counts) counts.resize(static_cast<size_t>(config.n_routed_experts));
  balance_losses.resize(layers);
  router_entropy.resize(layers);
}

void StepStats::clear() {
  nll = 0.0;
  targets = dropped = tokens = 0;
  std::ranges::fill(mtp_nll, 0.0);
  std::ranges::fill(mtp_targets, 0);
  std::ranges::fill(mtp_drafts, 0);
  std::ranges::fill(mtp_accepted, 0);
  for (auto& counts : expert_counts) std::ranges::fill(counts, 0);
  std::ranges::fill(balance_losses, 0.0);
  std::ranges::fill(router_entropy, 0.0);
}

double StepStats::balance_loss() const {
  return std::accumulate(balance_losses.begin(), balance_losses.end(), 0.0);
}

}  // namespace fathom::model
