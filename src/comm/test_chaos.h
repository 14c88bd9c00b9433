#pragma once
// For tests: the threads engine in order, and under several seeds of chaos.
#include <vector>

#include "comm/threads/run_ranks.h"

namespace fathom::comm::testing {

inline std::vector<ThreadsOptions> quiet_and_chaotic(u64 seeds = 4) {
  std::vector<ThreadsOptions> all(1);
  all[0].job = {.deadline_s = 60, .hang_directory = ""};
  for (u64 seed = 0; seed < seeds; ++seed) {
    ThreadsOptions chaotic = all[0];
    chaotic.chaos = Chaos{.seed = seed};
    chaotic.job.debug = seed % 2 == 1;
    all.push_back(chaotic);
  }
  return all;
}

}  // namespace fathom::comm::testing
