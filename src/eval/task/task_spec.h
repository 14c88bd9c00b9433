#pragma once
// What a task file says (configs/eval/*.toml; docs/evaluation.md has the manual).
#include <array>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/field_list.h"

namespace fathom::eval {

enum class OutputKind {
  kMultipleChoice,  // the most likely of several options
  kLogLikelihood,   // the log-probability of one text
  kGenerate,        // a text, compared with the right ones
  kRolling,         // the log-probability of a whole document, in windows
};
inline constexpr std::array<std::pair<OutputKind, std::string_view>, 4> kOutputKindNames = {{
    {OutputKind::kMultipleChoice, "multiple_choice"},
    {OutputKind::kLogLikelihood, "loglikelihood"},
    {OutputKind::kGenerate, "generate_until"},
    {OutputKind::kRolling, "loglikelihood_rolling"},
}};

enum class ShotOrder {
  kRandom,  // drawn anew for each document, as lm-eval's default sampler draws
  kFirst,   // the first ones of the file
};
inline constexpr std::array<std::pair<ShotOrder, std::string_view>, 2> kShotOrderNames = {{
    {ShotOrder::kRandom, "random"},
    {ShotOrder::kFirst, "first"},
}};

/// [source.NAME]: files in one of the forms in which a set is published.
struct SourceSpec {
  std::vector<std::string> test, shots;
  std::vector<std::string> columns;
  std::string rows, each, where, shot_where, subtask, side_file, format;
  std::vector<std::string> fields, shot_fields, names;
  bool keep_fields = false;

  void list_fields(FieldList& list);
};

/// [prompt.PRESET.filter.NAME]: what is made of a generated text before it is compared.
struct FilterSpec {
  std::string answer;
  void list_fields(FieldList& list);
};

/// [prompt.PRESET.judge]: what another model is asked about an answer.
struct JudgeSpec {
  std::string text, verdict, baseline;
  std::vector<std::string> labels;
  i64 votes = 1;
  i64 max_tokens = 1024;
  double temperature = 0.0;

  bool compares() const { return !baseline.empty(); }
  void list_fields(FieldList& list);
};

/// [prompt.PRESET]: what a model is shown and how it is scored.
struct PromptSpec {
  std::string like;
  std::string description, text, contexts, choices, gold, target, shot_text, shot_target;
  std::string target_delimiter = " ", shot_delimiter = "\n\n";
  i64 shots = 0;
  ShotOrder shot_order = ShotOrder::kRandom;
  bool shot_extra = false;
  bool whole = false;
  std::string shot_group;
  std::vector<std::string> metrics;
  std::string main_metric;
  std::vector<std::string> stop;
  std::string item_stop;
  i64 max_tokens = 256;
  i64 samples = 1;
  double temperature = 0.0, top_p = 1.0;
  i64 window = 0, stride = 0;
  std::string program;
  std::string language;  // of the program; a template; "": Python
  double program_s = 10.0;
  std::map<std::string, FilterSpec> filters;
  JudgeSpec judge;
  bool ignore_case = false, ignore_punctuation = false, ignore_numbers = false;
  std::vector<std::string> ignore;

  void list_fields(FieldList& list);
};

struct TaskSpec {
  std::string name;  // of the file, without .toml
  std::string title, licence, origin;
  OutputKind output = OutputKind::kMultipleChoice;
  std::map<std::string, SourceSpec> sources;
  std::map<std::string, PromptSpec> prompts;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom::eval
