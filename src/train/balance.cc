#include "train/balance.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace fathom::train {
namespace {

double sum_of(std::span<const i64> counts) {
  return static_cast<double>(std::accumulate(counts.begin(), counts.end(), i64{0}));
}

double direction(BiasRule rule, double mean, double count) {
  if (rule == BiasRule::kProportional) return (mean - count) / mean;
  if (count == mean) return 0.0;
  return count < mean ? 1.0 : -1.0;
}

}  // namespace

void update_router_bias(const BalanceConfig& config, double speed, std::span<const i64> counts,
                        View<float, 1> bias) {
  FATHOM_CHECK(std::ssize(counts) == bias.dim(0), counts.size(), " counts for ", bias.dim(0),
               " biases");
  const double total = sum_of(counts);
  if (config.bias_rule == BiasRule::kNone || speed == 0.0 || total == 0.0) return;
  const double mean = total / static_cast<double>(counts.size());
  const auto move = [&](i64 count) {
    return direction(config.bias_rule, mean, static_cast<double>(count));
  };
  double center = 0.0;
  if (config.bias_recenter) {
    for (const i64 count : counts) center += move(count);
    center /= static_cast<double>(counts.size());
  }
  for (i64 i = 0; i < bias.dim(0); ++i) {
    const double step = speed * (move(counts[static_cast<size_t>(i)]) - center);
    bias(i) = static_cast<float>(static_cast<double>(bias(i)) + step);
  }
}

void update_router_biases(const BalanceConfig& config, double speed, const model::StepStats& stats,
                          model::TrainingModel& model) {
  if (config.bias_rule == BiasRule::kNone) return;
  for (i64 layer = 0; layer < model.num_moe_layers(); ++layer) {
    const View<float, 1> bias = model.router_bias(layer);
    if (bias.empty()) continue;  // another rank's layer
    update_router_bias(config, speed, stats.expert_counts[static_cast<size_t>(layer)], bias);
  }
}

double max_violation(std::span<const i64> counts) {
  const double total = sum_of(counts);
  if (total == 0.0) return 0.0;
  const double mean = total / static_cast<double>(counts.size());
  return (static_cast<double>(std::ranges::max(counts)) - mean) / mean;
}

std::vector<report::LayerLoad> layer_loads(const model::StepStats& stats,
                                           model::TrainingModel& model) {
  std::vector<report::LayerLoad> loads;
  for (i64 layer = 0; layer < model.num_moe_layers(); ++layer) {
    const std::vector<i64>& counts = stats.expert_counts[static_cast<size_t>(layer)];
    const double total = std::max(1.0, sum_of(counts));
    report::LayerLoad load;
    load.layer = model.moe_layer_name(layer);
    for (const i64 count : counts) load.share.push_back(static_cast<double>(count) / total);
    load.max_vio = max_violation(counts);
    load.entropy = stats.router_entropy[static_cast<size_t>(layer)] /
                   static_cast<double>(std::max<i64>(1, stats.tokens));
    load.dead_experts = std::ranges::count(counts, 0);
    const View<float, 1> bias = model.router_bias(layer);
    if (!bias.empty()) {
      const auto [low, high] = std::minmax_element(bias.data(), bias.data() + bias.dim(0));
      load.bias_min = static_cast<double>(*low);
      load.bias_max = static_cast<double>(*high);
    }
    loads.push_back(std::move(load));
  }
  return loads;
}

double mean_max_violation(std::span<const report::LayerLoad> loads) {
  if (loads.empty()) return 0.0;
  double sum = 0.0;
  for (const report::LayerLoad& load : loads) sum += load.max_vio;
  return sum / static_cast<double>(loads.size());
}

}  // namespace fathom::train
