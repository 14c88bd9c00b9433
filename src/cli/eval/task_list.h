#pragma once
// Benchmarks by name, with what their programs need.
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/sandbox/sandbox.h"
#include "eval/task/items.h"

namespace fathom::cli {

/// The tasks of built-in names or task files, with their items. `where`: the option or key that
/// names them. Throws Error: one that stands there twice, and what load_task and build_tasks
/// refuse.
std::vector<eval::Task> read_task_list(const std::vector<std::string>& names,
                                       const eval::BuildOptions& build, std::string_view where);

/// A sandbox for the languages that the tasks' programs are in, and Python if `always`; none where
/// nothing is run. Throws Error where it cannot be built, or a language is not there.
std::optional<eval::Sandbox> sandbox_for(std::span<const eval::Task> tasks, bool always,
                                         bool unsafe);

}  // namespace fathom::cli
