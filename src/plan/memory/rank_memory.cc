#include "plan/memory/rank_memory.h"

#include <algorithm>

#include "plan/machine/exchange.h"

namespace fathom::plan {
namespace {

/// Rows of logits that are in memory at a time, in f32 (the loss is computed in pieces).
constexpr double kLogitRows = 1024.0;

double optimizer_bytes(const Layout& layout) { return 4.0 + (layout.bf16_moments ? 4.0 : 8.0); }

double share(const Layout& layout, double copies) {
  return layout.shard_optimizer ? std::max(1.0, copies) : 1.0;
}

/// What a rank receives and sends of a dispatch and a combine, and a piece of logits.
Bytes buffer_bytes(const Cluster& cluster, const ModelConfig& config, const Layout& layout,
                   const TrainingRun& run, bool has_head) {
  Bytes sum;
  const double own = static_cast<double>(layout.micro_batch_sequences * run.seq_len) /
                     static_cast<double>(layout.tensor_ranks);
  if (config.has_experts() && layout.expert_ranks > 1) {
    const ExchangeReach reach = exchange_reach(config, layout.expert_ranks, cluster.node.gpus);
    const double row = static_cast<double>(config.hidden_size) *
                       (operand_bytes(layout.precision) + cluster.exchange.combine_bytes_per_value);
    sum += Bytes(2.0 * own * reach.ranks * row);  // of both micro-batches of a pair
  }
  if (has_head) sum += Bytes(kLogitRows * static_cast<double>(config.vocab_size) * 4.0);
  return sum;
}

}  // namespace

Bytes RankMemory::total() const {
  return weights + gradients + optimizer + activations + buffers + reserved + fragmentation;
}

RankParameters rank_parameters(const ModelConfig& config, const ModelCounts& all,
                               const Layout& layout, const Schedule& schedule,
                               const std::vector<Stage>& stages, i64 rank) {
  RankParameters sum;
  const auto add_layer = [&](i64 layer) {
    const LayerParameters& p = all.layers[static_cast<size_t>(layer)];
    sum.dense += p.dense / static_cast<double>(layout.tensor_ranks);
    sum.expert += p.expert / static_cast<double>(layout.expert_ranks);
  };
  bool has_embedding = false;
  for (const StagePlace& at : schedule.chunks[static_cast<size_t>(rank)]) {
    const Stage& stage = stages[static_cast<size_t>(at.stage)];
    for (const i64 layer : stage.layers) add_layer(layer);
    const bool looks_up = stage.embedding || (stage.head && config.tie_word_embeddings);
    const double tables =
        (looks_up && !has_embedding ? all.embedding : 0.0) + (stage.head ? all.head : 0.0);
    has_embedding = has_embedding || looks_up;
    sum.dense += tables / static_cast<double>(layout.tensor_ranks);
    if (!stage.head) continue;
    for (i64 m = 0; m < config.num_nextn_predict_layers; ++m)
      add_layer(config.num_hidden_layers + m);
  }
  return sum;
}

RankMemory rank_memory(const Cluster& cluster, const ModelConfig& config, const ModelCounts& counts,
                       const Layout& layout, const TrainingRun& run, const Schedule& schedule,
                       const std::vector<Stage>& stages, i64 rank) {
  RankMemory memory{.rank = rank};
  const RankParameters own = rank_parameters(config, counts, layout, schedule, stages, rank);
  memory.dense_parameters = own.dense;
  memory.expert_parameters = own.expert;
  const double all = own.dense + own.expert;
  const double mirrored = schedule.paths == 2 ? 2.0 : 1.0;
  const double dense_copies = static_cast<double>(layout.data_ranks()) * mirrored;
  const double expert_copies = static_cast<double>(layout.expert_data_ranks()) * mirrored;
  memory.weights = Bytes(all * 2.0);  // FP8: [out, in] and transposed, a byte each
  memory.gradients = Bytes(all * 4.0);
  memory.optimizer = Bytes(optimizer_bytes(layout) * (own.dense / share(layout, dense_copies) +
                                                      own.expert / share(layout, expert_copies)));
  const Tokens rows = tokens(layout.micro_batch_sequences * run.seq_len);
  std::vector<double> weight;  // bytes of a chunk, by stage
  std::vector<double> layers;
  for (const Stage& stage : stages) {
    Bytes kept;
    for (const i64 layer : stage.layers) {
      kept += kept_bytes(config, layout, config.is_moe_layer(layer)) * rows;
    }
    const auto modules = static_cast<double>(stage.head ? config.num_nextn_predict_layers : 0);
    kept += kept_bytes(config, layout, config.has_experts()) * rows * modules;
    weight.push_back(kept.value);
    layers.push_back(static_cast<double>(stage.layers.size()) + modules);
  }
  memory.alive = peak_alive(schedule, rank, layers);
  memory.activations = Bytes(peak_alive(schedule, rank, weight));
  bool has_head = false;
  for (const StagePlace& at : schedule.chunks[static_cast<size_t>(rank)]) {
    has_head = has_head || stages[static_cast<size_t>(at.stage)].head;
  }
  memory.buffers = buffer_bytes(cluster, config, layout, run, has_head);
  memory.reserved = Bytes(cluster.operation.reserved_gb * 1e9);
  memory.fragmentation = memory.total() * cluster.operation.fragmentation_frac;
  return memory;
}

std::vector<RankMemory> all_ranks_memory(const Cluster& cluster, const ModelConfig& config,
                                         const ModelCounts& counts, const Layout& layout,
                                         const TrainingRun& run, const Schedule& schedule,
                                         const std::vector<Stage>& stages) {
  std::vector<RankMemory> ranks;
  for (i64 r = 0; r < schedule.ranks; ++r) {
    ranks.push_back(rank_memory(cluster, config, counts, layout, run, schedule, stages, r));
  }
  return ranks;
}

const RankMemory& largest(const std::vector<RankMemory>& ranks) {
  return *std::max_element(
      ranks.begin(), ranks.end(),
      [](const RankMemory& a, const RankMemory& b) { return a.total() < b.total(); });
}

}  // namespace fathom::plan
