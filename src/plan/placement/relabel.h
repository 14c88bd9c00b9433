#pragma once
// A new placement is as good with its GPUs renamed: the naming that moves fewest experts.
#include <span>
#include <vector>

#include "plan/placement/eplb.h"

namespace fathom::plan {

/// assignment[row] = column with the least sum of cost[row * n + column]: the Hungarian method with
/// potentials, exact, O(n^3).
std::vector<i32> assign(std::span<const i64> cost, i64 n);

/// `next` with GPUs renamed (inside their node where the placement is hierarchical) and slots of a
/// GPU reordered, so that as many slots as possible hold the expert that they hold in `now`.
Placement relabel(const Placement& now, const Placement& next, const PlacementShape& shape);

/// Slots whose expert is another one: weights that have to be sent.
i64 moved_slots(const Placement& now, const Placement& next);

/// Does `next` lower the largest load of a GPU by more than `least_gain`, a share of what it is?
/// Below that, sending weights costs more than it brings.
bool worth_moving(std::span<const float> load, const Placement& now, const Placement& next,
                  i64 gpus, double least_gain = 0.05);

}  // namespace fathom::plan
