#include "parallel/stage_split.h"

#include <algorithm>

#include "plan/layout/stages.h"

namespace fathom::parallel {
namespace {

/// Of each main layer, and last of what comes behind them.
std::vector<double> costs_of(const ModelConfig& config) {
  std::vector<double> costs(static_cast<size_t>(config.num_hidden_layers) + 1, 0.0);
  const double active = config.has_experts() ? static_cast<double>(config.num_experts_per_tok) /
                                                   static_cast<double>(config.n_routed_experts)
                                             : 1.0;
  double head = 0.0;
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.shape.size() != 2 || parameter.shared_copy) return;
    const double met =
        static_cast<double>(parameter.elements()) * (parameter.expert >= 0 ? active : 1.0);
    if (parameter.part == ModelPart::kEmbedding && !config.tie_word_embeddings) return;
    if (parameter.layer < 0) head += met;
    const bool of_layer = parameter.layer >= 0 && parameter.layer < config.num_hidden_layers;
    costs[of_layer ? static_cast<size_t>(parameter.layer) : costs.size() - 1] += met;
  });
  costs.back() += head * static_cast<double>(config.num_nextn_predict_layers);  // once a module
  return costs;
}

}  // namespace

std::vector<model::StageLayers> split_stages(const ModelConfig& config, i64 stages) {
  const std::vector<size_t> begins =
      plan::split_evenly(costs_of(config), static_cast<size_t>(stages));
  std::vector<model::StageLayers> split;
  for (size_t s = 0; s < begins.size(); ++s) {
    const i64 end =
        s + 1 < begins.size() ? static_cast<i64>(begins[s + 1]) : config.num_hidden_layers;
    const auto first = static_cast<i64>(begins[s]);
    split.push_back({.first = first, .count = end - first});
  }
  split.front().embedding = true;
  split.back().head = true;
  return split;
}

std::vector<model::StageLayers> stages_of_rank(const ModelConfig& config,
                                               const plan::Schedule& schedule, i64 pipeline_rank) {
  const std::vector<model::StageLayers> split = split_stages(config, schedule.stages);
  std::vector<model::StageLayers> stages;
  for (const plan::StagePlace& place : schedule.chunks[static_cast<size_t>(pipeline_rank)]) {
    stages.push_back(split[static_cast<size_t>(place.stage)]);
  }
  const bool has_embedding = std::ranges::any_of(stages, &model::StageLayers::embedding);
  for (model::StageLayers& stage : stages) {
    stage.embeddings_arrive = stage.head && !has_embedding && config.num_nextn_predict_layers > 0;
  }
  return stages;
}

}  // namespace fathom::parallel
