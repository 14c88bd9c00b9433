#include "plan/placement/token_flow.h"

#include <algorithm>
#include <numeric>

#include "base/checked_math.h"
#include "plan/units/index.h"

namespace fathom::plan {
namespace {

constexpr i32 kUnseen = -1;

}  // namespace

TokenFlow::TokenFlow(std::span<const i64> tokens, const ExpertHosts& hosts, i64 gpus)
    : tokens_(tokens.begin(), tokens.end()),
      unplaced_(tokens.begin(), tokens.end()),
      load_(at(gpus), 0) {
  first_of_expert_.push_back(0);
  for (size_t e = 0; e < hosts.size(); ++e) {
    for (const i32 gpu : hosts[e]) edges_.push_back({static_cast<i32>(e), gpu, 0});
    first_of_expert_.push_back(static_cast<i32>(edges_.size()));
  }
  edge_ids_.resize(edges_.size());
  std::iota(edge_ids_.begin(), edge_ids_.end(), 0);
  index_gpus();
}

void TokenFlow::index_gpus() {
  first_of_gpu_.assign(load_.size() + 1, 0);
  for (const Edge& edge : edges_) ++first_of_gpu_[at(edge.gpu) + 1];
  std::partial_sum(first_of_gpu_.begin(), first_of_gpu_.end(), first_of_gpu_.begin());
  std::vector<i32> next(first_of_gpu_.begin(), first_of_gpu_.end() - 1);
  by_gpu_.resize(edges_.size());
  for (size_t i = 0; i < edges_.size(); ++i) {
    by_gpu_[at(next[at(edges_[i].gpu)]++)] = static_cast<i32>(i);
  }
}

std::span<const i32> TokenFlow::edges_of_expert(size_t expert) const {
  const i32 begin = first_of_expert_[expert], end = first_of_expert_[expert + 1];
  return std::span(edge_ids_).subspan(at(begin), at(end - begin));
}

std::span<const i32> TokenFlow::edges_of_gpu(size_t gpu) const {
  const i32 begin = first_of_gpu_[gpu], end = first_of_gpu_[gpu + 1];
  return std::span(by_gpu_).subspan(at(begin), at(end - begin));
}

void TokenFlow::place_directly(i64 limit) {
  for (Edge& edge : edges_) {
    i64& rest = unplaced_[at(edge.expert)];
    const i64 placed = std::min(rest, limit - load_[at(edge.gpu)]);
    if (placed <= 0) continue;
    edge.tokens += placed;
    load_[at(edge.gpu)] += placed;
    rest -= placed;
  }
}

/// Distances from the experts with unplaced tokens; false if no GPU below the limit is reached.
bool TokenFlow::level_graph(i64 limit) {
  expert_level_.assign(unplaced_.size(), kUnseen);
  gpu_level_.assign(load_.size(), kUnseen);
  std::vector<i32> now, next;
  for (size_t e = 0; e < unplaced_.size(); ++e) {
    if (unplaced_[e] == 0) continue;
    expert_level_[e] = 0;
    now.push_back(static_cast<i32>(e));
  }
  bool found = false;
  for (i32 level = 1; !now.empty() && !found; ++level) {
    next.clear();
    for (const i32 e : now) {
      for (const i32 i : edges_of_expert(at(e))) {
        const i32 gpu = edges_[at(i)].gpu;
        if (gpu_level_[at(gpu)] != kUnseen) continue;
        gpu_level_[at(gpu)] = level;
        found = found || load_[at(gpu)] < limit;
        for (const i32 back : edges_of_gpu(at(gpu))) {
          const Edge& edge = edges_[at(back)];
          if (edge.tokens == 0 || expert_level_[at(edge.expert)] != kUnseen) continue;
          expert_level_[at(edge.expert)] = level;
          next.push_back(edge.expert);
        }
      }
    }
    std::swap(now, next);
  }
  return found;
}

/// Moves up to `amount` of an expert's tokens towards GPUs with room; returns how many.
i64 TokenFlow::push_from(size_t expert, i64 amount, i64 limit) {
  const auto edges = edges_of_expert(expert);
  i64 pushed = 0;
  for (i32& n = next_edge_[expert]; n < std::ssize(edges); ++n) {
    Edge& edge = edges_[at(edges[at(n)])];
    const auto gpu = at(edge.gpu);
    if (gpu_level_[gpu] != expert_level_[expert] + 1) continue;
    const i64 direct = std::min(amount - pushed, limit - load_[gpu]);
    if (direct > 0) {
      edge.tokens += direct;
      load_[gpu] += direct;
      pushed += direct;
    }
    const auto backs = edges_of_gpu(gpu);
    for (i32& m = next_back_[gpu]; pushed < amount && m < std::ssize(backs); ++m) {
      Edge& other = edges_[at(backs[at(m)])];
      const auto e = at(other.expert);
      if (other.tokens == 0 || e == expert || expert_level_[e] != gpu_level_[gpu]) continue;
      const i64 moved = push_from(e, std::min(amount - pushed, other.tokens), limit);
      other.tokens -= moved;
      edge.tokens += moved;
      pushed += moved;
      if (pushed == amount) break;
    }
    if (pushed == amount) return pushed;
  }
  return pushed;
}

bool TokenFlow::fill(i64 limit) {
  place_directly(limit);
  const auto all_placed = [&] {
    return std::all_of(unplaced_.begin(), unplaced_.end(), [](i64 rest) { return rest == 0; });
  };
  while (!all_placed() && level_graph(limit)) {
    next_edge_.assign(unplaced_.size(), 0);
    next_back_.assign(load_.size(), 0);
    for (size_t e = 0; e < unplaced_.size(); ++e) {
      if (unplaced_[e] > 0) unplaced_[e] -= push_from(e, unplaced_[e], limit);
    }
  }
  return all_placed();
}

std::vector<bool> TokenFlow::reachable_experts(std::vector<bool>& gpus) const {
  std::vector<bool> seen(unplaced_.size(), false);
  std::vector<i32> stack;
  for (size_t e = 0; e < unplaced_.size(); ++e) {
    if (unplaced_[e] == 0) continue;
    seen[e] = true;
    stack.push_back(static_cast<i32>(e));
  }
  while (!stack.empty()) {
    const i32 e = stack.back();
    stack.pop_back();
    for (const i32 i : edges_of_expert(at(e))) {
      const i32 gpu = edges_[at(i)].gpu;
      if (gpus[at(gpu)]) continue;
      gpus[at(gpu)] = true;
      for (const i32 back : edges_of_gpu(at(gpu))) {
        const Edge& edge = edges_[at(back)];
        if (edge.tokens == 0 || seen[at(edge.expert)]) continue;
        seen[at(edge.expert)] = true;
        stack.push_back(edge.expert);
      }
    }
  }
  return seen;
}

i64 TokenFlow::stuck_density() const {
  std::vector<bool> gpus(load_.size(), false);
  const std::vector<bool> experts = reachable_experts(gpus);
  i64 wanted = 0;
  for (size_t e = 0; e < experts.size(); ++e) wanted += experts[e] ? tokens_[e] : 0;
  const i64 hosts = std::count(gpus.begin(), gpus.end(), true);
  return hosts > 0 ? ceil_div(wanted, hosts) : 0;
}

}  // namespace fathom::plan
