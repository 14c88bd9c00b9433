#pragma once
// Where the replicas of a layer's experts go: DeepSeek's expert-parallel load balancer, exactly.
// Source: deepseek-ai/EPLB, eplb.py; DeepSeek-V3 §3.4. Sums and quotients are f32 as there.
#include <span>
#include <string>
#include <vector>

#include "base/types.h"

namespace fathom::plan {

struct PlacementShape {
  i64 replicas = 0;  // a multiple of gpus
  i64 groups = 1;    // of experts, which node-limited routing keeps together
  i64 nodes = 1;
  i64 gpus = 1;

  i64 slots_per_gpu() const { return replicas / gpus; }
};

/// Slots are numbered GPU by GPU.
struct Placement {
  std::vector<i32> expert_of_slot;   // [replicas]
  std::vector<i32> replica_of_slot;  // [replicas]: which of its expert's replicas
  std::vector<i32> replica_count;    // [experts]

  /// [expert]: its slots by replica number.
  std::vector<std::vector<i32>> slots_of_experts() const;
  bool operator==(const Placement&) const = default;
};

/// What does not divide, or "".
std::string placement_problem(i64 experts, const PlacementShape& shape);

/// Hierarchical where nodes divide groups (prefill: groups are packed onto nodes, experts
/// replicated inside a node), else global (decode: as with one group and one node).
///   load [experts]  not negative
/// Sizes must fit (placement_problem).
Placement place_experts(std::span<const float> load, const PlacementShape& shape);

/// Of `n` items into `packs` packs of n / packs: by falling weight (ties: lower index first) into
/// the lightest pack that is not full, the first of equals. With one item a pack, item i is pack i.
struct Packing {
  std::vector<i32> pack;      // [item]
  std::vector<i32> position;  // [item] in its pack
};
Packing pack_evenly(std::span<const float> weight, i64 packs);

/// [gpus]: each replica carries an even share of its expert's load.
std::vector<double> gpu_loads(std::span<const float> load, const Placement& placement, i64 gpus);
/// Largest over mean; 1 if there is no load.
double imbalance(std::span<const double> loads);

}  // namespace fathom::plan
