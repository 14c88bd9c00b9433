#pragma once
// Problems of a repository, repaired without an agent: localise, repair by samples, test, vote.
// Source: C. S. Xia et al. 2024 (2407.01489), Agentless.
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "eval/model/language_model.h"
#include "eval/run/evaluation.h"
#include "eval/sandbox/sandbox.h"

namespace fathom::eval {

/// A line of a file in SWE-bench's form; `repo` is a local git repository's folder, and
/// `test_command` a key of ours.
struct RepairInstance {
  std::string id;
  std::filesystem::path repository;
  std::string commit, problem;
  std::string test_command;  // a line for /bin/sh in the repository; "": none is run
};

/// Relative paths are below the file's folder. Errors name file, line and key.
Result<std::vector<RepairInstance>> read_repair_instances(const std::filesystem::path& file);

struct RepairOptions {
  size_t files = 3;        // that are looked at
  i64 locations = 4;       // sets of lines, drawn at temperature 0.8
  i64 patches = 10;        // for each of them: one greedy, the others at temperature 0.8
  i64 reproductions = 40;  // programs that show the problem, one greedy
  i64 max_tokens = 2048;
  u64 seed = 1234;
  double wall_s = 300.0;  // of one run of the tests
};

struct RepairResult {
  std::vector<std::string> files;
  std::string patch;  // unified diff; "": no answer gave one
  i64 candidates = 0, different = 0,
      votes = 0;  // answers with edits that fit; patches; for this one
  bool tests_passed_before = false, tests_pass = false;
  std::string reproduction;  // the program that the vote took; "": none fails before
  bool reproduction_passes = false;
};

/// kInvalidInput, kUnsupported: the repository cannot be read.
Result<RepairResult> repair(LanguageModel& model, const Sandbox& sandbox,
                            const RepairInstance& instance, const RepairOptions& options);

/// As a task `repair` with patched, tests_pass and reproduction_passes.
TaskResult repair_task(std::span<const RepairInstance> instances,
                       std::span<const RepairResult> results);

/// SWE-bench's prediction file: instance_id, model_name_or_path, model_patch a line.
std::string prediction_lines(std::span<const RepairInstance> instances,
                             std::span<const RepairResult> results, const std::string& model);

}  // namespace fathom::eval
