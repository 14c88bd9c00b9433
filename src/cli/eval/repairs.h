#pragma once
// Exercises and repositories, whose files a model edits.
#include <vector>

#include "cli/eval/eval_options.h"
#include "eval/repair/agentless.h"
#include "eval/repair/exercises.h"

namespace fathom::cli {

/// What --exercises and --repair ask for.
struct Repairs {
  std::vector<eval::Exercise> exercises;
  std::vector<eval::RepairInstance> instances;
  bool empty() const { return exercises.empty() && instances.empty(); }
};

/// The first --limit of each. Exercises whose tests cannot be run here are left out, which is said
/// once a language. Throws Error{kUnsupported} where none can, else as the readers do.
Repairs read_repairs(const EvalOptions& options);

/// Tokens of the longest prompt with its answer, at most; 0 of nothing.
i64 longest_repair_tokens(const Repairs& repairs);

/// Tasks `exercises` and `repair`; with --out and instances predictions.jsonl in `folder`.
/// `samples`: edits for each set of lines, 0: as the method has it.
std::vector<eval::TaskResult> run_repairs(eval::LanguageModel& model, const eval::Sandbox& sandbox,
                                          const Repairs& repairs, const EvalOptions& options,
                                          i64 samples);

}  // namespace fathom::cli
