// A run with failures.
#include <algorithm>
#include <cmath>

#include "base/rng.h"
#include "plan/simulate/step_simulation.h"

namespace fathom::plan {
namespace {

constexpr u64 kFailureStream = 4;  // of random numbers, none of a step's

}  // namespace

SimulatedRun simulate_failures(const OperationSection& operation, i64 gpus, Seconds work,
                               Seconds checkpoint_interval, u64 seed) {
  const double mtbf = operation.gpu_hours_per_failure * 3600.0 / static_cast<double>(gpus);
  const Philox random(seed, kFailureStream);
  SimulatedRun run;
  double done = 0.0, wall = 0.0;
  u64 draw = 0;
  const auto next_failure = [&] { return wall - mtbf * std::log1p(-random.uniform(draw++)); };
  double failure = next_failure();
  while (done < work.value) {
    const double part = std::min(checkpoint_interval.value, work.value - done);
    const double end = wall + part + operation.checkpoint_s;
    if (failure < end) {
      wall = failure + operation.restart_s;
      ++run.failures;
      failure = next_failure();
      continue;
    }
    wall = end;
    done += part;
  }
  run.wall = Seconds(wall);
  run.goodput = work.value / wall;
  return run;
}

}  // namespace fathom::plan
