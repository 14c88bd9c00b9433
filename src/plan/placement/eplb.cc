#include "plan/placement/eplb.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "plan/units/index.h"

namespace fathom::plan {
namespace {

/// Experts of one node with their replicas.
struct Replication {
  std::vector<i32> expert_of;  // [replicas]: the first n are the experts themselves
  std::vector<i32> number;     // [replicas]
  std::vector<i32> count;      // [experts]
};

/// Each further replica goes to the expert whose replicas carry most; the first of equals.
Replication replicate(std::span<const float> weight, i64 replicas) {
  const i64 n = std::ssize(weight);
  Replication r{.expert_of = std::vector<i32>(at(replicas)),
                .number = std::vector<i32>(at(replicas), 0),
                .count = std::vector<i32>(at(n), 1)};
  std::vector<float> share(weight.begin(), weight.end());
  std::iota(r.expert_of.begin(), r.expert_of.begin() + static_cast<std::ptrdiff_t>(n), 0);
  for (i64 i = n; i < replicas; ++i) {
    const auto most =
        static_cast<size_t>(std::max_element(share.begin(), share.end()) - share.begin());
    r.expert_of[at(i)] = static_cast<i32>(most);
    r.number[at(i)] = r.count[most]++;
    share[most] = weight[most] / static_cast<float>(r.count[most]);
  }
  return r;
}

/// order[i]: which expert is the i-th when they are listed node by node.
std::vector<i32> experts_by_node(std::span<const float> load, i64 groups, i64 nodes) {
  const i64 group_size = std::ssize(load) / groups, groups_per_node = groups / nodes;
  std::vector<float> group_load(at(groups), 0.0f);
  for (i64 e = 0; e < std::ssize(load); ++e) group_load[at(e / group_size)] += load[at(e)];
  const Packing packing = pack_evenly(group_load, nodes);
  std::vector<i32> order(load.size());
  for (i64 g = 0; g < groups; ++g) {
    const i64 begin =
        (packing.pack[at(g)] * groups_per_node + packing.position[at(g)]) * group_size;
    for (i64 i = 0; i < group_size; ++i) {
      order[at(begin + i)] = static_cast<i32>(g * group_size + i);
    }
  }
  return order;
}

/// Fills the slots of one node. `experts`: those that are there.
void place_node(std::span<const float> load, std::span<const i32> experts, i64 node_gpus,
                i64 node_replicas, i64 first_slot, Placement& placement) {
  std::vector<float> weight;
  weight.reserve(experts.size());
  for (const i32 e : experts) weight.push_back(load[static_cast<size_t>(e)]);
  const Replication r = replicate(weight, node_replicas);
  std::vector<float> share(r.expert_of.size());
  for (size_t i = 0; i < share.size(); ++i) {
    const auto e = static_cast<size_t>(r.expert_of[i]);
    share[i] = weight[e] / static_cast<float>(r.count[e]);
  }
  const Packing packing = pack_evenly(share, node_gpus);
  const i64 slots = node_replicas / node_gpus;
  for (size_t i = 0; i < share.size(); ++i) {
    const size_t slot = at(first_slot + packing.pack[i] * slots + packing.position[i]);
    placement.expert_of_slot[slot] = experts[static_cast<size_t>(r.expert_of[i])];
    placement.replica_of_slot[slot] = r.number[i];
  }
  for (size_t e = 0; e < experts.size(); ++e) {
    placement.replica_count[static_cast<size_t>(experts[e])] = r.count[e];
  }
}

}  // namespace

std::vector<std::vector<i32>> Placement::slots_of_experts() const {
  std::vector<std::vector<i32>> slots(replica_count.size());
  for (size_t e = 0; e < slots.size(); ++e) slots[e].resize(at(replica_count[e]));
  for (size_t slot = 0; slot < expert_of_slot.size(); ++slot) {
    slots[at(expert_of_slot[slot])][at(replica_of_slot[slot])] = static_cast<i32>(slot);
  }
  return slots;
}

std::string placement_problem(i64 experts, const PlacementShape& s) {
  const auto must_divide = [](i64 part, i64 whole, const char* what, const char* of) {
    if (part > 0 && whole % part == 0) return std::string();
    return fmt::format("{}: found {}, expected a divisor of {} = {}", what, part, of, whole);
  };
  if (experts < 1) return fmt::format("experts: found {}, expected at least 1", experts);
  if (s.replicas < experts) {
    return fmt::format("replicas: found {}, expected at least one for each of {} experts",
                       s.replicas, experts);
  }
  for (const std::string& problem :
       {must_divide(s.gpus, s.replicas, "gpus", "replicas"),
        must_divide(s.groups, experts, "groups", "experts"),
        s.nodes < 1 ? fmt::format("nodes: found {}, expected at least 1", s.nodes) : std::string(),
        s.nodes > 0 && s.groups % s.nodes == 0 ? must_divide(s.nodes, s.gpus, "nodes", "gpus")
                                               : std::string()}) {
    if (!problem.empty()) return problem;
  }
  return "";
}

Packing pack_evenly(std::span<const float> weight, i64 packs) {
  const i64 n = std::ssize(weight), most = n / packs;
  Packing packing{.pack = std::vector<i32>(at(n)), .position = std::vector<i32>(at(n), 0)};
  if (most == 1) {
    std::iota(packing.pack.begin(), packing.pack.end(), 0);
    return packing;
  }
  std::vector<i32> order(at(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](i32 a, i32 b) {
    return weight[static_cast<size_t>(a)] > weight[static_cast<size_t>(b)];
  });
  std::vector<float> sum(at(packs), 0.0f);
  std::vector<i32> items(at(packs), 0);
  for (const i32 item : order) {
    size_t best = sum.size();
    for (size_t p = 0; p < sum.size(); ++p) {
      if (items[p] < most && (best == sum.size() || sum[p] < sum[best])) best = p;
    }
    packing.pack[static_cast<size_t>(item)] = static_cast<i32>(best);
    packing.position[static_cast<size_t>(item)] = items[best]++;
    sum[best] += weight[static_cast<size_t>(item)];
  }
  return packing;
}

Placement place_experts(std::span<const float> load, const PlacementShape& shape) {
  const std::string problem = placement_problem(std::ssize(load), shape);
  FATHOM_CHECK(problem.empty(), problem);
  const bool hierarchical = shape.groups % shape.nodes == 0;
  const i64 groups = hierarchical ? shape.groups : 1, nodes = hierarchical ? shape.nodes : 1;
  Placement placement{.expert_of_slot = std::vector<i32>(at(shape.replicas)),
                      .replica_of_slot = std::vector<i32>(at(shape.replicas)),
                      .replica_count = std::vector<i32>(load.size())};
  const std::vector<i32> order = experts_by_node(load, groups, nodes);
  const i64 experts_per_node = std::ssize(load) / nodes, replicas = shape.replicas / nodes;
  for (i64 node = 0; node < nodes; ++node) {
    place_node(load, std::span(order).subspan(at(node * experts_per_node), at(experts_per_node)),
               shape.gpus / nodes, replicas, node * replicas, placement);
  }
  return placement;
}

std::vector<double> gpu_loads(std::span<const float> load, const Placement& placement, i64 gpus) {
  std::vector<double> sums(at(gpus), 0.0);
  const size_t slots = placement.expert_of_slot.size() / sums.size();
  for (size_t slot = 0; slot < placement.expert_of_slot.size(); ++slot) {
    const auto e = static_cast<size_t>(placement.expert_of_slot[slot]);
    sums[slot / slots] += static_cast<double>(load[e]) / placement.replica_count[e];
  }
  return sums;
}

double imbalance(std::span<const double> loads) {
  double sum = 0.0, most = 0.0;
  for (const double load : loads) {
    sum += load;
    most = std::max(most, load);
  }
  return sum > 0.0 ? most * static_cast<double>(loads.size()) / sum : 1.0;
}

}  // namespace fathom::plan
