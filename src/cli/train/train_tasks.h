#pragma once
// The benchmarks of a run file's [eval] section, through the code of `fathom eval`.
#include <atomic>
#include <memory>

#include "train/run_setup.h"
#include "train/task_evaluator.h"

namespace fathom::cli {

/// Reads tasks and data and builds the sandbox, so that what cannot be measured is said before
/// training begins; null where the section names no tasks. `setup` and `interrupted` must outlive
/// it. Throws Error: as `fathom eval` does, and for a task that asks a judge.
std::unique_ptr<train::TaskEvaluator> make_task_evaluator(const train::RunSetup& setup,
                                                          const std::atomic<bool>* interrupted);

}  // namespace fathom::cli
