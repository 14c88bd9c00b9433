#pragma once
// The best layout of a run on a cluster.
#include <vector>

#include "plan/training/training_plan.h"

namespace fathom::plan {

struct SearchResult {
  std::vector<TrainingPlan> best;  // fastest first, all fit
  i64 considered = 0;              // layouts whose sizes fit together
  i64 too_large = 0;               // of those that were looked at, the ones that need more memory
};

/// Pipeline ranks, expert ranks, tensor ranks 1 to 8, schedules, micro-batches of 1, 2, 4 and 8
/// sequences and recompute sets; precision and the rest as in `base`. Every layout is estimated by
/// its closed form; from the fastest estimate on they are planned, until `keep` have been found
/// that fit. Empty: nothing fits.
SearchResult search_layouts(const Cluster& cluster, const ModelConfig& config, const Layout& base,
                            const TrainingRun& run, i64 keep = 20);

}  // namespace fathom::plan
