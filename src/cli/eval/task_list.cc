#include "cli/eval/task_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"

namespace fathom::cli {

std::vector<eval::Task> read_task_list(const std::vector<std::string>& names,
                                       const eval::BuildOptions& build, std::string_view where) {
  std::vector<eval::Task> all;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const eval::TaskSpec spec = value_or_throw(eval::load_task(name));
    for (eval::Task& task : value_or_throw(eval::build_tasks(spec, build))) {
      if (!seen.insert(task.name).second) {
        throw Error(ErrorCode::kInvalidInput,
                    fmt::format("{}: {} stands there twice", where, task.name));
      }
      all.push_back(std::move(task));
    }
  }
  return all;
}

std::optional<eval::Sandbox> sandbox_for(std::span<const eval::Task> tasks, bool always,
                                         bool unsafe) {
  if (!always && !std::ranges::any_of(tasks, eval::runs_programs)) return std::nullopt;
  eval::Sandbox sandbox =
      value_or_throw(unsafe ? eval::Sandbox::unconfined() : eval::Sandbox::build());
  std::set<std::string> languages;
  for (const eval::Task& task : tasks) {
    for (std::string& name : value_or_throw(eval::program_languages(task))) {
      languages.insert(std::move(name));
    }
  }
  for (const std::string& name : languages) value_or_throw(sandbox.check_language(name));
  log::info("programs run behind: {}", fmt::join(sandbox.layers(), ", "));
  return sandbox;
}

}  // namespace fathom::cli
