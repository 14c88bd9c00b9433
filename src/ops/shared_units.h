#pragma once
// Units of uneven cost taken from one counter by all threads. Internal to ops/.
#include <algorithm>
#include <atomic>

#include "base/parallel.h"

namespace fathom::ops {

/// fn(worker, unit) for each unit in [0, units), by at most `workers` threads, worker < workers. A
/// unit must depend on no other one: who takes it and when changes no result.
template <typename Fn>
void for_units(i64 units, i64 workers, Fn&& fn) {
  std::atomic<i64> next{0};
  parallel_for(std::min(units, workers), 1, [&](i64 begin, i64 end) {
    for (i64 worker = begin; worker < end; ++worker) {
      for (i64 unit; (unit = next.fetch_add(1, std::memory_order_relaxed)) < units;) {
        fn(worker, unit);
      }
    }
  });
}

}  // namespace fathom::ops
