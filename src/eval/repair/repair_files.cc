// Instances in, predictions and results out.
#include <fmt/format.h>

#include "eval/repair/agentless.h"
#include "eval/run/aggregation.h"
#include "eval/task/records.h"
#include "eval/text/python_json.h"

namespace fathom::eval {

Result<std::vector<RepairInstance>> read_repair_instances(const std::filesystem::path& file) {
  SourceSpec source;
  source.format = "jsonl";
  const Result<std::vector<Record>> records = read_records(file, source);
  if (!records) return tl::unexpected(records.error());
  std::vector<RepairInstance> instances;
  for (const Record& record : *records) {
    RepairInstance instance;
    std::string repository;
    const std::pair<const char*, std::string*> texts[] = {{"instance_id", &instance.id},
                                                          {"repo", &repository},
                                                          {"base_commit", &instance.commit},
                                                          {"problem_statement", &instance.problem}};
    for (const auto& [key, text] : texts) {
      Result<std::string> value = io::get_string(record.value, key, record.place);
      if (!value) return tl::unexpected(value.error());
      *text = std::move(*value);
    }
    if (record.value.find("test_command") != nullptr) {
      Result<std::string> value = io::get_string(record.value, "test_command", record.place);
      if (!value) return tl::unexpected(value.error());
      instance.test_command = std::move(*value);
    }
    instance.repository = file.parent_path() / repository;
    instances.push_back(std::move(instance));
  }
  if (instances.empty()) return invalid_input(fmt::format("{}: has no instances", file.string()));
  return instances;
}

TaskResult repair_task(std::span<const RepairInstance> instances,
                       std::span<const RepairResult> results) {
  TaskResult out;
  out.task.name = "repair";
  out.task.title = "Repair of repositories without an agent";
  out.task.output = OutputKind::kGenerate;
  out.task.prompt.metrics = {"patched", "tests_pass", "reproduction_passes"};
  out.task.num_documents = std::ssize(instances);
  for (size_t i = 0; i < instances.size(); ++i) {
    const RepairResult& result = results[i];
    io::JsonObject document;
    document.set("instance_id", instances[i].id);
    document.set("files", io::JsonArray(result.files.begin(), result.files.end()));
    document.set("candidates", result.candidates);
    document.set("different", result.different);
    document.set("votes", result.votes);
    document.set("tests_passed_before", result.tests_passed_before);
    document.set("reproduction", result.reproduction);
    Item item;
    item.index = static_cast<i64>(i);
    item.prompt = instances[i].problem;
    item.target = io::JsonValue(instances[i].id);
    item.document.stored = io::JsonValue(std::move(document));
    out.task.items.push_back(std::move(item));
    const auto number = [](bool yes) { return yes ? 1.0 : 0.0; };
    ItemView view;
    view.answers = {result.patch};
    view.values = {number(!result.patch.empty()), number(result.tests_pass),
                   number(result.reproduction_passes)};
    out.items.push_back({.scores = {},
                         .answers = {{.text = result.patch, .complete = true}},
                         .views = {std::move(view)}});
  }
  out.metrics = aggregate(out, 0);
  return out;
}

std::string prediction_lines(std::span<const RepairInstance> instances,
                             std::span<const RepairResult> results, const std::string& model) {
  std::string lines;
  for (size_t i = 0; i < instances.size(); ++i) {
    io::JsonObject line;
    line.set("instance_id", instances[i].id);
    line.set("model_name_or_path", model);
    line.set("model_patch", results[i].patch);
    lines += python_json(io::JsonValue(std::move(line))) + "\n";
  }
  return lines;
}

}  // namespace fathom::eval
