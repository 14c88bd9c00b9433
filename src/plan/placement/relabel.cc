#include "plan/placement/relabel.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "plan/units/index.h"

namespace fathom::plan {
namespace {

std::span<const i32> experts_on(const Placement& placement, i64 gpu, i64 slots) {
  return std::span(placement.expert_of_slot).subspan(at(gpu * slots), at(slots));
}

/// How many of b's slots hold an expert of a, each slot of a counting once.
i64 common(std::span<const i32> a, std::span<const i32> b) {
  std::vector<i32> x(a.begin(), a.end()), y(b.begin(), b.end());
  std::sort(x.begin(), x.end());
  std::sort(y.begin(), y.end());
  i64 count = 0;
  for (size_t i = 0, j = 0; i < x.size() && j < y.size();) {
    if (x[i] == y[j]) ++count;
    const bool left = x[i] <= y[j], right = y[j] <= x[i];
    i += left ? 1 : 0;
    j += right ? 1 : 0;
  }
  return count;
}

/// Writes GPU `from` of `next` onto GPU `to` of the result: experts that are there keep their slot,
/// the others take what is free, in order.
void write_gpu(const Placement& now, const Placement& next, i64 from, i64 to, i64 slots,
               Placement& result) {
  std::vector<bool> used(at(slots), false), filled(at(slots), false);
  const auto put = [&](i64 slot, i64 source) {
    result.expert_of_slot[at(to * slots + slot)] = next.expert_of_slot[at(from * slots + source)];
    result.replica_of_slot[at(to * slots + slot)] = next.replica_of_slot[at(from * slots + source)];
    used[at(source)] = filled[at(slot)] = true;
  };
  for (i64 slot = 0; slot < slots; ++slot) {
    for (i64 source = 0; source < slots; ++source) {
      if (used[at(source)] || now.expert_of_slot[at(to * slots + slot)] !=
                                  next.expert_of_slot[at(from * slots + source)]) {
        continue;
      }
      put(slot, source);
      break;
    }
  }
  i64 source = 0;
  for (i64 slot = 0; slot < slots; ++slot) {
    if (filled[at(slot)]) continue;
    while (used[at(source)]) ++source;
    put(slot, source);
  }
}

}  // namespace

std::vector<i32> assign(std::span<const i64> cost, i64 n) {
  constexpr i64 kFar = std::numeric_limits<i64>::max() / 4;
  // Rows and columns from 1; column 0 is where a row that is being placed begins.
  std::vector<i64> u(at(n + 1), 0), v(at(n + 1), 0);
  std::vector<i64> row_of(at(n + 1), 0), before(at(n + 1), 0);
  for (i64 row = 1; row <= n; ++row) {
    row_of[0] = row;
    i64 column = 0;
    std::vector<i64> least(at(n + 1), kFar);
    std::vector<bool> done(at(n + 1), false);
    do {
      done[at(column)] = true;
      const i64 i = row_of[at(column)];
      i64 delta = kFar, next = 0;
      for (i64 j = 1; j <= n; ++j) {
        if (done[at(j)]) continue;
        const i64 reduced = cost[at((i - 1) * n + j - 1)] - u[at(i)] - v[at(j)];
        if (reduced < least[at(j)]) {
          least[at(j)] = reduced;
          before[at(j)] = column;
        }
        if (least[at(j)] < delta) {
          delta = least[at(j)];
          next = j;
        }
      }
      for (i64 j = 0; j <= n; ++j) {
        if (done[at(j)]) {
          u[at(row_of[at(j)])] += delta;
          v[at(j)] -= delta;
        } else {
          least[at(j)] -= delta;
        }
      }
      column = next;
    } while (row_of[at(column)] != 0);
    for (; column != 0; column = before[at(column)]) {
      row_of[at(column)] = row_of[at(before[at(column)])];
    }
  }
  std::vector<i32> column_of(at(n));
  for (i64 j = 1; j <= n; ++j) column_of[at(row_of[at(j)] - 1)] = static_cast<i32>(j - 1);
  return column_of;
}

Placement relabel(const Placement& now, const Placement& next, const PlacementShape& shape) {
  FATHOM_CHECK(now.expert_of_slot.size() == next.expert_of_slot.size(), now.expert_of_slot.size(),
               " slots and ", next.expert_of_slot.size());
  const bool hierarchical = shape.groups % shape.nodes == 0;
  const i64 nodes = hierarchical ? shape.nodes : 1;
  const i64 node_gpus = shape.gpus / nodes, slots = shape.slots_per_gpu();
  Placement result = next;
  for (i64 node = 0; node < nodes; ++node) {
    const i64 first = node * node_gpus;
    std::vector<i64> cost;  // [new GPU][name]
    for (i64 from = 0; from < node_gpus; ++from) {
      for (i64 to = 0; to < node_gpus; ++to) {
        cost.push_back(
            -common(experts_on(next, first + from, slots), experts_on(now, first + to, slots)));
      }
    }
    const std::vector<i32> name = assign(cost, node_gpus);
    for (i64 from = 0; from < node_gpus; ++from) {
      write_gpu(now, next, first + from, first + name[at(from)], slots, result);
    }
  }
  return result;
}

bool worth_moving(std::span<const float> load, const Placement& now, const Placement& next,
                  i64 gpus, double least_gain) {
  const double before = imbalance(gpu_loads(load, now, gpus));
  const double after = imbalance(gpu_loads(load, next, gpus));
  return after < before * (1.0 - least_gain);
}

i64 moved_slots(const Placement& now, const Placement& next) {
  i64 moved = 0;
  for (size_t slot = 0; slot < next.expert_of_slot.size(); ++slot) {
    moved += now.expert_of_slot[slot] != next.expert_of_slot[slot] ? 1 : 0;
  }
  return moved;
}

}  // namespace fathom::plan
