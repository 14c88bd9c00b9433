#include "parallel/rank_layout.h"

#include <fmt/format.h>

namespace fathom::parallel {

std::vector<std::string> layout_problems(const ParallelConfig& config, i64 ranks,
                                         const ModelConfig& model, i64 batch_sequences) {
  std::vector<std::string> problems;
  const i64 data = ranks;
  if (data % config.expert_ranks != 0) {
    problems.push_back(fmt::format("parallel.expert_ranks: {} does not divide the {} ranks that "
                                   "share the batch",
                                   config.expert_ranks, data));
  }
  if (config.expert_ranks > 1 && !model.has_experts()) {
    problems.push_back(fmt::format("parallel.expert_ranks: found {}, expected 1: the model has no "
                                   "experts",
                                   config.expert_ranks));
  }
  if (config.expert_ranks > 1 && config.expert_ranks > model.n_routed_experts) {
    problems.push_back(fmt::format("parallel.expert_ranks: found {}, expected at most the model's "
                                   "{} experts",
                                   config.expert_ranks, model.n_routed_experts));
  }
  if (batch_sequences < data) {
    problems.push_back(fmt::format("train.batch_sequences: found {}, expected at least one for "
                                   "each of the {} ranks that share the batch",
                                   batch_sequences, data));
  }
  return problems;
}

RankLayout rank_layout(const ParallelConfig& config, i64 ranks) {
  return {.ranks = ranks, .pipeline = 1, .expert = config.expert_ranks};
}

}  // namespace fathom::parallel
