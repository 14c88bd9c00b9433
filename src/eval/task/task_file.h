#pragma once
// Task files: those built in (configs/eval) and the user's own.
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "eval/task/task_spec.h"

namespace fathom::eval {

/// Names of the tasks that are built in, sorted.
std::vector<std::string_view> built_in_tasks();

/// The text of one, as in configs/eval/NAME.toml; empty if there is none.
std::string_view built_in_task_text(std::string_view name);

/// A built-in task, or a path that ends in .toml. kNotFound names the nearest task; kInvalidInput
/// lists all that is wrong with a file.
Result<TaskSpec> load_task(const std::string& name_or_path);
Result<TaskSpec> parse_task(std::string_view text, const std::string& where, std::string name);

}  // namespace fathom::eval
