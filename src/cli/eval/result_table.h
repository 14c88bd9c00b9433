#pragma once
#include <span>

#include "eval/result/stored_run.h"
#include "eval/run/evaluation.h"

namespace fathom::cli {

/// Tasks, groups and their metrics as lines on stdout.
void print_result_table(std::span<const eval::TaskResult> results);

/// Two runs on the items that both have, with the interval of their difference.
void print_comparison(const eval::StoredRun& a, const eval::StoredRun& b);

/// The built-in tasks with where their data come from.
void print_task_list();

}  // namespace fathom::cli
