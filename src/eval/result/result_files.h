#pragma once
// Results in lm-eval's layout: what reads those reads these.
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eval/model/language_model.h"
#include "eval/run/evaluation.h"

namespace fathom::eval {

/// Of the run as a whole.
struct RunFacts {
  ModelFacts model;
  std::string preset;
  std::vector<std::string> sandbox_layers;  // where programs were run
  std::string judge;                        // its name, where one was asked
  i64 limit = 0;                            // 0: none
  i64 bootstrap_iterations = 0;
  i64 seed = 1234;       // of answers that were drawn
  double started = 0.0;  // Unix time
  double seconds = 0.0;
  std::string stamp;  // "2026-11-29T00-15-55.215118", of the files' names
};

/// "2026-11-29T00-15-55.215118" in local time, as Python's isoformat() with - for :.
std::string file_stamp(double unix_time);
/// A model's name as part of a path: runs of "<>:/|\?*[] become __.
std::string sanitized_model_name(std::string_view name);

/// Where a model's results go: OUT/MODEL.
std::filesystem::path results_folder(const std::filesystem::path& out, const ModelFacts& model);

/// The results file.
std::string results_text(std::span<const TaskResult> results, const RunFacts& facts);
/// A line for each item and filter of one task.
std::string samples_lines(const TaskResult& result);

/// Writes OUT/MODEL/results_STAMP.json and samples_TASK_STAMP.jsonl beside it. Returns the folder.
/// Throws Error{kIo}.
std::filesystem::path write_results(const std::filesystem::path& out,
                                    std::span<const TaskResult> results, const RunFacts& facts);

}  // namespace fathom::eval
