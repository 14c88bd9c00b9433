#include "eval/task/task_spec.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/task/metric_names.h"
#include "eval/task/template.h"

namespace fathom::eval {
namespace {

constexpr double kMaxShots = 1000, kMaxAnswerTokens = 1 << 20;

void check_template(const std::string& key, const std::string& text, Problems& problems) {
  const Result<Template> parsed = Template::parse(text);
  if (!parsed) problems.invalid(key, parsed.error().message());
}

/// "name: text" each; the text a template if it is a field's.
void check_pairs(const std::string& key, const std::vector<std::string>& pairs, bool templates,
                 Problems& problems) {
  for (const std::string& pair : pairs) {
    const size_t colon = pair.find(": ");
    if (colon == pair.npos || colon == 0) {
      problems.invalid(key, fmt::format("expected \"name: {}\", found \"{}\"",
                                        templates ? "template" : "text", pair));
    } else if (templates) {
      check_template(key, pair.substr(colon + 2), problems);
    }
  }
}

void check_source(const std::string& key, const SourceSpec& source, Problems& problems) {
  if (source.test.empty()) problems.invalid(key + ".test", "names no file");
  check_pairs(key + ".fields", source.fields, true, problems);
  check_pairs(key + ".shot_fields", source.shot_fields, true, problems);
  check_pairs(key + ".names", source.names, false, problems);
  constexpr std::string_view kFormats[] = {"", "jsonl", "json", "csv", "tsv", "text"};
  if (std::ranges::find(kFormats, source.format) == std::end(kFormats)) {
    problems.invalid(key + ".format", "expected jsonl, json, csv, tsv or text");
  }
  check_template(key + ".rows", source.rows, problems);
  check_template(key + ".each", source.each, problems);
  check_template(key + ".where", source.where, problems);
  check_template(key + ".shot_where", source.shot_where, problems);
  check_template(key + ".subtask", source.subtask, problems);
  check_template(key + ".side_file", source.side_file, problems);
}

void check_metrics(const std::string& key, OutputKind output, const PromptSpec& prompt,
                   Problems& problems) {
  if (prompt.metrics.empty()) problems.invalid(key + ".metrics", "names none");
  for (const std::string& metric : prompt.metrics) {
    const std::string wrong = check_metric(metric, output);
    if (!wrong.empty()) problems.invalid(key + ".metrics", wrong);
  }
  const auto& all = prompt.metrics;
  if (!prompt.main_metric.empty() &&
      std::find(all.begin(), all.end(), prompt.main_metric) == all.end()) {
    problems.invalid(key + ".main_metric", "expected one of metrics");
  }
}

void check_prompt(const std::string& key, OutputKind output, const PromptSpec& prompt,
                  Problems& problems) {
  const std::pair<const char*, const std::string*> texts[] = {{".text", &prompt.text},
                                                              {".contexts", &prompt.contexts},
                                                              {".choices", &prompt.choices},
                                                              {".gold", &prompt.gold},
                                                              {".target", &prompt.target},
                                                              {".shot_text", &prompt.shot_text},
                                                              {".shot_target", &prompt.shot_target},
                                                              {".description", &prompt.description},
                                                              {".shot_group", &prompt.shot_group},
                                                              {".program", &prompt.program}};
  for (const auto& [name, text] : texts) check_template(key + name, *text, problems);
  for (const auto& [name, filter] : prompt.filters) {
    check_template(key + ".filter." + name + ".answer", filter.answer, problems);
  }
  const auto require = [&](const char* name, const std::string& text) {
    if (text.empty()) problems.invalid(key + name, "missing");
  };
  if (output == OutputKind::kMultipleChoice) {
    require(".gold", prompt.gold);
    if (prompt.contexts.empty()) require(".choices", prompt.choices);
    if (!prompt.contexts.empty()) require(".target", prompt.target);
  } else {
    require(".target", prompt.target);
  }
  if (prompt.stride > 0 && prompt.window > 0 && prompt.stride > prompt.window) {
    problems.invalid(key + ".stride", "expected at most the window");
  }
  const bool runs = std::ranges::find(prompt.metrics, kPassMetric) != prompt.metrics.end();
  if (runs) require(".program", prompt.program);
  check_metrics(key, output, prompt, problems);
}

}  // namespace

void SourceSpec::list_fields(FieldList& list) {
  list.add("test", test, "files below --data with the items; * and ** as in a shell");
  list.add("shots", shots, "files with the examples that are shown; none: those of test");
  list.add("columns", columns, "names of the columns of a .csv or .tsv without a heading");
  list.add("rows", rows, "of a .json file: the list of its items, as {{member}}");
  list.add("each", each, "a list in each item: every element of it is an item of its own");
  list.add("where", where, "items where this is 0, False or empty are left out");
  list.add("shot_where", shot_where, "the same of the files with examples; \"\": as where");
  list.add("subtask", subtask, "a task of its own for each value, as TASK_VALUE");
  list.add("side_file", side_file, "a text below --data that prompts see as @side");
  list.add("fields", fields, "names for the prompts: \"name: template\"");
  list.add("shot_fields", shot_fields, "the same of the files with examples; none: as fields");
  list.add("names", names, "\"key: text\": prompts see them as the object @names");
  list.add("format", format, "jsonl, json, csv, tsv or text; \"\": by the files' names");
  list.add("keep_fields", keep_fields, "the fields become part of the stored document");
}

void FilterSpec::list_fields(FieldList& list) {
  list.add("answer", answer, "what is compared, made of {{answer}}");
}

void PromptSpec::list_fields(FieldList& list) {
  list.add("description", description, "stands before everything");
  list.add("text", text, "the question");
  list.add("contexts", contexts, "in place of text: one for each option, all before target");
  list.add("choices", choices, "the options");
  list.add("gold", gold, "index of the right one");
  list.add("target", target, "the text that is right, or a list of them");
  list.add("shot_text", shot_text, "the question of an example; \"\": as text");
  list.add("shot_target", shot_target, "the answer of an example; \"\": the right one");
  list.add("target_delimiter", target_delimiter, "between a question and its answer");
  list.add("shot_delimiter", shot_delimiter, "behind each example");
  list.add("shots", shots, "examples that are shown", {.min = 0, .max = kMaxShots});
  list.add("shot_order", shot_order, kShotOrderNames, "which examples");
  list.add("shot_extra", shot_extra,
           "one more is drawn than shown, as lm-eval does where neither split has a name");
  list.add("shot_group", shot_group,
           "examples are the other items for which this is equal (the same passage), as many as "
           "there are");
  list.add("metrics", metrics, "what is reported");
  list.add("main_metric", main_metric, "the one of the overview; \"\": the first");
  list.add("stop", stop, "texts that end an answer");
  list.add("max_tokens", max_tokens, "of an answer", {.min = 1, .max = kMaxAnswerTokens});
  list.add("program", program, "Python that passes if the {{answer}} in it is right");
  list.add("program_s", program_s, "seconds that it may take", {.min = 0.1, .max = 3600});
  list.add("window", window,
           "of a document, tokens that one pass sees; 0: as many as the model can",
           {.min = 0, .max = kMaxAnswerTokens});
  list.add("stride", stride, "tokens that each window after the first predicts; 0: all of it",
           {.min = 0, .max = kMaxAnswerTokens});
  list.add("filter", filters, "answers that are compared");
  list.add("ignore_case", ignore_case, "exact_match: large letters are small ones");
  list.add("ignore_punctuation", ignore_punctuation, "exact_match: without ASCII's punctuation");
  list.add("ignore_numbers", ignore_numbers, "exact_match: without digits");
  list.add("ignore", ignore, "exact_match: regular expressions of what does not count");
}

void TaskSpec::list_fields(FieldList& list) {
  list.add("title", title, "for people");
  list.add("licence", licence, "of the data");
  list.add("origin", origin, "where the published files are");
  list.add("output", output, kOutputKindNames, "what a model is asked for");
  list.add("source", sources, "forms of the data; the first, by name, whose files are there");
  list.add("prompt", prompts, "presets");
}

void TaskSpec::check(const std::string&, Problems& problems) const {
  if (sources.empty()) problems.invalid("source", "expected at least one [source.NAME]");
  if (prompts.empty()) problems.invalid("prompt", "expected at least one [prompt.PRESET]");
  for (const auto& [key, source] : sources) check_source("source." + key, source, problems);
  for (const auto& [key, prompt] : prompts) {
    check_prompt("prompt." + key, output, prompt, problems);
  }
}

}  // namespace fathom::eval
