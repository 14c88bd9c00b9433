#pragma once
// A run file and what it names, checked as far as that goes without reading text or weights; and
// what the run will cost.
#include <string>
#include <vector>

#include "config/model/model_config.h"
#include "config/run/run_config.h"
#include "model/training/memory/training_memory.h"
#include "plan/model_size.h"
#include "plan/training_flops.h"
#include "train/run/plan.h"

namespace fathom::train {

struct RunSetup {
  RunConfig config;
  ModelConfig model;  // as it will be stored: dtype, initializer_range
  RunPlan plan;
};

/// Reads the model's config.json and holds it against the run file. The Error lists all problems.
[[nodiscard]] Result<RunSetup> load_run_setup(const RunConfig& config);

/// The run file with every key, as run.toml, reports and checkpoints hold it.
std::string resolved_run_file(const RunSetup& setup);

struct RunCost {
  plan::ModelSize size;
  plan::TrainingFlops flops;     // a token
  model::TrainingMemory memory;  // of the model and the optimizer
  i64 micro_batch_sequences = 0;

  double total_flops(const RunPlan& plan) const {
    return flops.per_token() * static_cast<double>(plan.tokens());
  }
};

/// With micro-batches of `micro_batch_sequences`, or of choose_micro_batch if that is 0.
RunCost run_cost(const Ctx& ctx, const RunSetup& setup, i64 micro_batch_sequences, i64 free_bytes);

/// About 8192 tokens, which keeps every product large enough, in micro-batches of even size; fewer
/// if that needs more than four fifths of `free_bytes`.
i64 choose_micro_batch(const Ctx& ctx, const RunSetup& setup, i64 free_bytes);

/// The rows of moments and average, of so many elements.
void add_optimizer_memory(i64 elements, const OptimizerConfig& optimizer,
                          model::TrainingMemory& memory);

/// The rows of a memory table with their sum, one a line.
std::string format_memory(const model::TrainingMemory& memory);

}  // namespace fathom::train
