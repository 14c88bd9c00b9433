#pragma once
// Internal to placement/: the flow of tokens from experts to their hosts.
#include <span>
#include <vector>

#include "plan/placement/redundancy.h"

namespace fathom::plan {

/// An integer flow expert -> host with GPU loads held at or below a growing limit.
class TokenFlow {
 public:
  TokenFlow(std::span<const i64> tokens, const ExpertHosts& hosts, i64 gpus);

  /// Places as many tokens as fit under `limit` (not below an earlier one), by shortest augmenting
  /// paths in phases (Dinic). True: all are placed.
  bool fill(i64 limit);
  /// Of the experts that unplaced tokens can reach: ceil(w(S) / |N(S)|).
  i64 stuck_density() const;

  struct Edge {
    i32 expert = 0;
    i32 gpu = 0;
    i64 tokens = 0;
  };
  std::vector<Edge>& edges() { return edges_; }
  std::vector<i64>& loads() { return load_; }
  std::span<const i32> edges_of_expert(size_t expert) const;
  std::span<const i32> edges_of_gpu(size_t gpu) const;

 private:
  void index_gpus();
  bool level_graph(i64 limit);
  i64 push_from(size_t expert, i64 amount, i64 limit);
  void place_directly(i64 limit);
  std::vector<bool> reachable_experts(std::vector<bool>& gpus) const;

  std::vector<i64> tokens_, unplaced_, load_;
  std::vector<Edge> edges_;           // by expert
  std::vector<i32> first_of_expert_;  // [experts + 1]
  std::vector<i32> first_of_gpu_;     // [gpus + 1]
  std::vector<i32> by_gpu_;           // edge indices by GPU
  std::vector<i32> edge_ids_;         // 0, 1, 2, ...: edges_of_expert is a part of it
  std::vector<i32> expert_level_, gpu_level_;
  std::vector<i32> next_edge_, next_back_;  // where a phase's search goes on
};

}  // namespace fathom::plan
