#include "eval/task/task_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "config/run/run_file.h"
#include "eval/task/built_in.h"

namespace fathom::eval {
namespace {

/// The built-in files in one text: "# task NAME" before each, as cmake/join_tasks.cmake writes it.
std::vector<std::pair<std::string_view, std::string_view>> split_built_in() {
  constexpr std::string_view kMark = "# task: ";
  std::vector<std::pair<std::string_view, std::string_view>> tasks;
  std::string_view rest = kBuiltInTasks;
  while (rest.starts_with(kMark)) {
    rest.remove_prefix(kMark.size());
    const size_t line = rest.find('\n');
    const std::string_view name = rest.substr(0, line);
    rest.remove_prefix(line + 1);
    const size_t next = rest.find(fmt::format("\n{}", kMark));
    const std::string_view text = rest.substr(0, next == rest.npos ? next : next + 1);
    tasks.emplace_back(name, text);
    rest.remove_prefix(text.size());
  }
  return tasks;
}

const std::vector<std::pair<std::string_view, std::string_view>>& tasks() {
  static const auto all = split_built_in();
  return all;
}

}  // namespace

std::vector<std::string_view> built_in_tasks() {
  std::vector<std::string_view> names;
  for (const auto& each : tasks()) names.push_back(each.first);
  std::ranges::sort(names);
  return names;
}

std::string_view built_in_task_text(std::string_view name) {
  for (const auto& [each, text] : tasks()) {
    if (each == name) return text;
  }
  return {};
}

Result<TaskSpec> parse_task(std::string_view text, const std::string& where, std::string name) {
  TaskSpec spec;
  spec.name = std::move(name);
  const Result<void> read = parse_run_file(text, where, {}, field_list(spec));
  if (!read) return tl::unexpected(read.error());
  return spec;
}

Result<TaskSpec> load_task(const std::string& name_or_path) {
  const std::filesystem::path path(name_or_path);
  if (path.extension() == ".toml") {
    TaskSpec spec;
    spec.name = path.stem().string();
    const Result<void> read = read_run_file(path, {}, field_list(spec));
    if (!read) return tl::unexpected(read.error());
    return spec;
  }
  const std::string_view text = built_in_task_text(name_or_path);
  if (!text.empty())
    return parse_task(text, "configs/eval/" + name_or_path + ".toml", name_or_path);
  const std::vector<std::string_view> names = built_in_tasks();
  const std::string nearest = nearest_name(name_or_path, names);
  std::string known;
  for (const std::string_view each : names) known += fmt::format(" {}", each);
  return fail(ErrorCode::kNotFound,
              fmt::format("no task \"{}\"{}", name_or_path,
                          nearest.empty() ? "; a task is a .toml file or one of:" + known
                                          : fmt::format("; did you mean {}?", nearest)));
}

}  // namespace fathom::eval
