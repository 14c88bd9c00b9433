#pragma once
// `fathom plan train --simulate`: a step GPU by GPU, and a run with failures.
#include <string>

#include "cli/arguments/arguments.h"
#include "io/json.h"
#include "plan/simulate/step_simulation.h"

namespace fathom::cli {

struct SimulationOptions {
  bool simulate = false;
  i64 seed = 0;
  double gpu_spread = 0.0, task_spread = 0.0, routing_spread = 0.0;
  i64 slow_gpu = -1;
  double slow_factor = 1.5;
  bool transfers = false, nvlink = false;
  std::string trace;  // a file for chrome://tracing and Perfetto
};

void add_simulation_options(Arguments& command, SimulationOptions& options);

struct Simulation {
  plan::SimulatedStep step;
  plan::SimulatedRun run;  // the whole run with failures
};
/// Throws Error for a GPU that the layout does not have.
Simulation simulate(const plan::Cluster& cluster, const plan::TrainingPlan& plan, i64 hidden_size,
                    const SimulationOptions& options, bool keep_trace);

std::string simulation_text(const Simulation& simulation, const plan::TrainingPlan& plan);
io::JsonObject simulation_json(const Simulation& simulation);

/// Trace Event Format: a process a pipeline rank, a thread a stream; times in microseconds.
std::string chrome_trace(const plan::SimulatedStep& step);

}  // namespace fathom::cli
