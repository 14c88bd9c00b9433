#pragma once
// A task's questions, ready to be asked.
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "eval/task/documents.h"
#include "eval/task/task_spec.h"

namespace fathom::eval {

/// A text whose log-probability is asked for, behind another one.
struct ContextAndText {
  std::string context, text;
  bool operator==(const ContextAndText&) const = default;
};

struct Item {
  i64 index = 0;  // of the document in its (sub)task
  Document document;
  std::string prompt;                   // of options and generation: what stands before
  std::vector<std::string> stop;        // of generation: texts that end an answer
  std::vector<ContextAndText> options;  // of loglikelihood: one
  std::vector<std::string> choices;     // the options' words, of which metrics take the length
  i64 gold = 0;                         // which one is right
  std::optional<bool> in_training;  // whether it stands in training text, where that was looked at
  io::JsonValue target;             // as results show it: index, text or list of texts
};

/// A task with its items; a spec with subtasks gives several.
struct Task {
  std::string name, group;  // group: the spec's name, where that has subtasks
  std::string title;
  std::string preset;
  OutputKind output = OutputKind::kMultipleChoice;
  PromptSpec prompt;
  i64 num_documents = 0;  // before the limit
  std::vector<Item> items;
};

struct BuildOptions {
  std::filesystem::path data;
  std::string preset = "lm-eval";
  std::optional<i64> shots;    // in place of the prompt's
  std::optional<i64> samples;  // of generation, in place of the prompt's
  std::optional<double> temperature;
  i64 limit = 0;  // first items of each (sub)task; 0: all
};

/// Reads the data and makes the prompts. Errors name the task, the file, the line and the field.
Result<std::vector<Task>> build_tasks(const TaskSpec& spec, const BuildOptions& options);

}  // namespace fathom::eval
