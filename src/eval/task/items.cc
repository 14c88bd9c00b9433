#include "eval/task/items.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "eval/task/few_shot.h"
#include "eval/task/inherited.h"
#include "eval/task/prompt_maker.h"
#include "eval/task/task_checks.h"
#include "eval/task/template/template.h"

namespace fathom::eval {
namespace {

Result<PromptSpec> prompt_of(const TaskSpec& spec, const std::string& preset) {
  if (spec.prompts.contains(preset)) return with_inherited(spec.prompts, preset);
  std::string known;
  for (const auto& each : spec.prompts) known += " " + each.first;
  return fail(ErrorCode::kNotFound,
              fmt::format("task {}: no preset \"{}\"; it has:{}", spec.name, preset, known));
}

Result<const SourceSpec*> source_of(const TaskSpec& spec, const std::filesystem::path& data) {
  std::string wanted;
  for (const auto& [name, source] : spec.sources) {
    if (files_are_there(data, source.test) && files_are_there(data, source.shots)) return &source;
    wanted += fmt::format("\n  {} ({})", fmt::join(source.test, " "), name);
    if (!source.shots.empty()) wanted += fmt::format(" with {}", fmt::join(source.shots, " "));
  }
  return fail(ErrorCode::kNotFound,
              fmt::format("task {}: {} has none of its files; expected one of:{}{}", spec.name,
                          data.string(), wanted,
                          spec.origin.empty() ? "" : "\nThey come from " + spec.origin));
}

/// Names of subtasks become parts of file names.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += good || c == '-' ? c : '_';
  }
  return out;
}

/// Examples out of a document's own group.
class GroupShots {
 public:
  GroupShots(const PromptSpec& prompt, const std::vector<const Document*>& pool)
      : key_(value_or_throw(Template::parse(prompt.shot_group))) {
    if (prompt.shot_group.empty()) return;
    for (const Document* const each : pool) {
      if (const Result<std::string> key = key_.text(each->visible)) members_[*key].push_back(each);
    }
  }

  Result<std::vector<const Document*>> of(const Document& asked, i64 count) const {
    const Result<std::string> key = key_.text(asked.visible);
    if (!key) {
      return invalid_input(fmt::format("{}: shot_group: {}", asked.place, key.error().message()));
    }
    std::vector<const Document*> shots;
    const auto found = members_.find(*key);
    if (found == members_.end()) return shots;
    for (const Document* const each : found->second) {
      if (std::ssize(shots) < count && each != &asked) shots.push_back(each);
    }
    return shots;
  }

 private:
  Template key_;
  std::map<std::string, std::vector<const Document*>> members_;
};

class Builder {
 public:
  Builder(const TaskSpec& spec, const PromptSpec& prompt, const SourceSpec& source,
          const BuildOptions& options)
      : spec_(spec), prompt_(prompt), source_(source), options_(options) {}

  Result<std::vector<Task>> build() {
    auto test = read_documents(options_.data, source_.test, source_);
    if (!test) return tl::unexpected(test.error());
    test_ = std::move(*test);
    if (!source_.shots.empty()) {
      SourceSpec examples = source_;
      if (!source_.shot_fields.empty()) examples.fields = source_.shot_fields;
      if (!source_.shot_where.empty()) examples.where = source_.shot_where;
      auto shots = read_documents(options_.data, source_.shots, examples);
      if (!shots) return tl::unexpected(shots.error());
      shots_ = std::move(*shots);
    }
    std::vector<std::string> subtasks;
    for (const Document& each : test_) {
      if (std::find(subtasks.begin(), subtasks.end(), each.subtask) == subtasks.end()) {
        subtasks.push_back(each.subtask);
      }
    }
    std::vector<Task> tasks;
    for (const std::string& subtask : subtasks) {
      Result<Task> task = build_one(subtask);
      if (!task) return tl::unexpected(task.error());
      tasks.push_back(std::move(*task));
    }
    if (tasks.empty()) {
      return invalid_input(
          fmt::format("task {}: {} has no items", spec_.name, fmt::join(source_.test, " ")));
    }
    return tasks;
  }

 private:
  static std::vector<const Document*> part(const std::vector<Document>& all,
                                           const std::string& subtask) {
    std::vector<const Document*> out;
    for (const Document& each : all) {
      if (each.subtask == subtask) out.push_back(&each);
    }
    return out;
  }

  Result<Task> build_one(const std::string& subtask) const {
    Task task;
    task.name = spec_.name + (source_.subtask.empty() ? "" : "_" + plain(subtask));
    task.group = source_.subtask.empty() ? "" : spec_.name;
    task.title = spec_.title;
    task.preset = options_.preset;
    task.output = spec_.output;
    task.prompt = prompt_;
    task.prompt.shots = options_.shots.value_or(prompt_.shots);
    if (spec_.output == OutputKind::kGenerate) {
      task.prompt.samples = options_.samples.value_or(prompt_.samples);
      task.prompt.temperature = options_.temperature.value_or(prompt_.temperature);
      if (const std::string wrong = check_samples(task.prompt); !wrong.empty()) {
        return invalid_input(fmt::format("task {}: samples: {}", spec_.name, wrong));
      }
    }
    const std::vector<const Document*> test = part(test_, subtask);
    const bool own_pool = !source_.shots.empty();
    const std::vector<const Document*> pool = own_pool ? part(shots_, subtask) : test;
    ShotSampler sampler(pool, {.shots = task.prompt.shots,
                               .order = prompt_.shot_order,
                               .from_test = !own_pool,
                               .extra = prompt_.shot_extra});
    task.num_documents = std::ssize(test);
    const i64 count =
        options_.limit > 0 ? std::min(options_.limit, std::ssize(test)) : std::ssize(test);
    const PromptMaker maker(spec_.output, prompt_);
    const GroupShots group_shots(prompt_, pool);
    for (i64 i = 0; i < count; ++i) {
      const Document& document = *test[static_cast<size_t>(i)];
      const auto shots = prompt_.shot_group.empty() ? sampler.sample(document)
                                                    : group_shots.of(document, task.prompt.shots);
      if (!shots) {
        return invalid_input(fmt::format("task {}: {}", task.name, shots.error().message()));
      }
      Result<Item> item = maker.make(document, *shots);
      if (!item) return tl::unexpected(item.error());
      item->index = i;
      task.items.push_back(std::move(*item));
    }
    const bool nothing = std::all_of(task.items.begin(), task.items.end(),
                                     [](const Item& item) { return item.prompt.empty(); });
    if (spec_.output == OutputKind::kRolling && nothing) {
      return invalid_input(fmt::format("task {}: its documents are empty", task.name));
    }
    return task;
  }

  const TaskSpec& spec_;
  const PromptSpec& prompt_;
  const SourceSpec& source_;
  const BuildOptions& options_;
  std::vector<Document> test_, shots_;
};

}  // namespace

Result<std::vector<Task>> build_tasks(const TaskSpec& spec, const BuildOptions& options) {
  const Result<PromptSpec> prompt = prompt_of(spec, options.preset);
  if (!prompt) return tl::unexpected(prompt.error());
  const Result<const SourceSpec*> source = source_of(spec, options.data);
  if (!source) return tl::unexpected(source.error());
  return Builder(spec, *prompt, **source, options).build();
}

}  // namespace fathom::eval
