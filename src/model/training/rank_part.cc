#include "model/training/rank_part.h"

#include <algorithm>

namespace fathom::model {

StageLayers whole_model(const ModelConfig& config) {
  return {.first = 0, .count = config.num_hidden_layers, .embedding = true, .head = true};
}

bool StageLayers::holds(const ModelConfig& config, const Parameter& parameter) const {
  if (parameter.layer >= config.num_hidden_layers) return head;  // MTP
  if (parameter.layer >= 0) return parameter.layer >= first && parameter.layer < end();
  if (parameter.part != ModelPart::kEmbedding) return head;
  return embedding || (head && config.tie_word_embeddings);
}

bool RankPart::holds(const ModelConfig& config, const Parameter& parameter) const {
  const bool expert_is_here = exchange == nullptr || parameter.expert < 0 ||
                              exchange->rank_of(parameter.expert) == exchange->rank();
  return expert_is_here && (stages.empty() || std::ranges::any_of(stages, [&](const auto& stage) {
                              return stage.holds(config, parameter);
                            }));
}

bool RankPart::has_tied_head(const ModelConfig& config) const {
  return config.tie_word_embeddings &&
         (stages.empty() || std::ranges::any_of(stages, &StageLayers::head));
}

}  // namespace fathom::model
