#pragma once
// A training step GPU by GPU: every task of every pass of the schedule on every data rank, with
// spreads instead of means. An exchange of experts ends when the last of its ranks has sent, so
// that whoever is late makes its whole group wait. What goes from stage to stage queues on the
// sender's network card with the exchanges.
#include <string>
#include <vector>

#include "plan/training/training_plan.h"

namespace fathom::plan {

/// Relative standard deviations, 0: none. Lognormal with mean 1.
struct SimulationSetting {
  u64 seed = 0;
  double gpu_spread = 0.0;      // of GPUs, the whole step long
  double task_spread = 0.0;     // of every compute task
  double routing_spread = 0.0;  // of every FFN task beside that: some experts get more rows
  i64 slow_gpu = -1;            // one GPU (of gpus) whose compute takes slow_factor times as long
  double slow_factor = 1.0;
  Seconds transfer;           // of a micro-batch to the next stage's GPU; 0: it takes no time
  bool nvlink_queue = false;  // tensor-parallel rows and exchanges wait for each other on it
  bool keep_trace = false;    // of data rank 0 of every pipeline rank
};

struct TraceEvent {
  const char* what = "";
  Pass pass = Pass::kForward;
  Stream stream = Stream::kCompute;
  i32 rank = 0;  // pipeline rank
  i32 stage = 0;
  i32 layer = 0;  // of the stage
  i32 micro_batch = 0;
  Seconds start;
  Seconds end;
};

struct SimulatedStep {
  Seconds step;                 // the slowest GPU's, with the optimizer
  std::vector<Seconds> bubble;  // [pipeline rank], mean over data ranks: outside operations
  std::vector<Seconds> exposed_exchange;  // [pipeline rank]: inside operations, without compute
  Seconds skew;                           // a GPU's mean wait for the slowest, an exchange
  i64 tasks = 0;
  std::vector<TraceEvent> trace;
};

/// A micro-batch's hidden states in BF16, tokens * d * 2 / T bytes, over the network card; over
/// NVLink where the whole run is on one node.
Seconds stage_transfer(const Cluster& cluster, const Layout& layout, const TrainingRun& run,
                       i64 hidden_size);

/// The plan must have no problems. Without spreads, slow GPU, transfers and queue it equals the
/// plan's own step.
SimulatedStep simulate_step(const Cluster& cluster, const TrainingPlan& plan,
                            const SimulationSetting& setting);

/// A run with random failures (exponential times between them) that loses everything since the
/// last checkpoint.
struct SimulatedRun {
  Seconds wall;
  i64 failures = 0;
  double goodput = 1.0;
};
SimulatedRun simulate_failures(const OperationSection& operation, i64 gpus, Seconds work,
                               Seconds checkpoint_interval, u64 seed);

}  // namespace fathom::plan
