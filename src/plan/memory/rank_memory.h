#pragma once
// What each rank of a training run holds, by category.
#include <string>
#include <vector>

#include "plan/layout/stages.h"
#include "plan/memory/model_counts.h"

namespace fathom::plan {

/// Bytes kept for the backward pass of one token in one layer, itemised.
struct KeptItem {
  std::string what;
  double bytes = 0.0;
};
/// V3's MoE layer: 457,344 with everything in BF16, 256,640 with norms, MLA up-projections and
/// SwiGLU recomputed, 161,104 in V3's recipe (inputs of Linears in FP8 with one-byte scales,
/// o_proj's in E5M6), 14,336 with the block's input alone.
std::vector<KeptItem> kept_items(const ModelConfig& config, const Layout& layout, bool moe);
BytesPerToken kept_bytes(const ModelConfig& config, const Layout& layout, bool moe);

struct RankMemory {
  Bytes weights;
  Bytes gradients;
  Bytes optimizer;
  Bytes activations;
  Bytes buffers;        // of exchanges and logits
  Bytes reserved;       // context, communication library
  Bytes fragmentation;  // a share of all of it
  i64 rank = 0;
  double alive = 0.0;  // chunk-layers whose activations are held at the worst moment
  double dense_parameters = 0.0;
  double expert_parameters = 0.0;

  Bytes total() const;
};

/// weights      P * bytes of the copies that products read: FP8 both orientations 2, BF16 2
/// gradients    P * 4
/// optimizer    P_dense * b / dense copies + P_expert * b / expert copies, b = 4 master + moments;
///              DualPipe's mirrored stages double the copies
/// activations  the schedule's peak of chunks, each with its stage's layers
RankMemory rank_memory(const Cluster& cluster, const ModelConfig& config, const ModelCounts& counts,
                       const Layout& layout, const TrainingRun& run, const Schedule& schedule,
                       const std::vector<Stage>& stages, i64 rank);

/// Of every pipeline rank, in order.
std::vector<RankMemory> all_ranks_memory(const Cluster& cluster, const ModelConfig& config,
                                         const ModelCounts& counts, const Layout& layout,
                                         const TrainingRun& run, const Schedule& schedule,
                                         const std::vector<Stage>& stages);
/// The one that needs most.
const RankMemory& largest(const std::vector<RankMemory>& ranks);

/// Parameters of one rank, by how they are shared out: dense (over all data ranks) and experts.
struct RankParameters {
  double dense = 0.0;
  double expert = 0.0;
};
RankParameters rank_parameters(const ModelConfig& config, const ModelCounts& counts,
                               const Layout& layout, const Schedule& schedule,
                               const std::vector<Stage>& stages, i64 rank);

}  // namespace fathom::plan
