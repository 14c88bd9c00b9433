#include "eval/task/task_spec.h"

#include "eval/task/inherited.h"
#include "eval/task/task_checks.h"

namespace fathom::eval {
namespace {

constexpr double kMaxShots = 1000, kMaxAnswerTokens = 1 << 20, kMaxSamples = 1000;
constexpr double kMaxTemperature = 2.0;

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

void JudgeSpec::list_fields(FieldList& list) {
  list.add("text", text,
           "the question about the {{answer}}; with baseline about {{first}} and {{second}}");
  list.add("verdict", verdict, "what the judge decided, made of its {{answer}}");
  list.add("labels", labels, "\"verdict: metric\"; of a comparison first, second and tie");
  list.add("baseline", baseline, "the answer that is compared with the model's");
  list.add("votes", votes,
           "questions an answer; of a comparison every second one in the other order",
           {.min = 1, .max = kMaxSamples});
  list.add("max_tokens", max_tokens, "of a judge's answer", {.min = 1, .max = kMaxAnswerTokens});
  list.add("temperature", temperature, "of a judge's answer", {.min = 0, .max = kMaxTemperature});
}

void PromptSpec::list_fields(FieldList& list) {
  list.add("like", like, "a preset whose keys hold where this one says nothing");
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
  list.add("whole", whole, "an option is scored with all that stands before it, for acc_ppl");
  list.add("metrics", metrics, "what is reported");
  list.add("main_metric", main_metric, "the one of the overview; \"\": the first");
  list.add("stop", stop, "texts that end an answer");
  list.add("item_stop", item_stop, "more of them, a list in the item");
  list.add("samples", samples, "answers to each question", {.min = 1, .max = kMaxSamples});
  list.add("temperature", temperature, "of answers; 0: greedy", {.min = 0, .max = kMaxTemperature});
  list.add("top_p", top_p, "of answers: the most likely tokens with this much probability",
           {.min = 0.001, .max = 1});
  list.add("max_tokens", max_tokens, "of an answer", {.min = 1, .max = kMaxAnswerTokens});
  list.add("program", program, "a program that passes if the {{answer}} in it is right");
  list.add("language", language, "of the program; \"\": Python");
  list.add("program_s", program_s, "seconds that it may take", {.min = 0.1, .max = 3600});
  list.add("window", window,
           "of a document, tokens that one pass sees; 0: as many as the model can",
           {.min = 0, .max = kMaxAnswerTokens});
  list.add("stride", stride, "tokens that each window after the first predicts; 0: all of it",
           {.min = 0, .max = kMaxAnswerTokens});
  list.add("filter", filters, "answers that are compared");
  list.add("judge", judge, "another model's opinion of the answers");
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
    const Result<PromptSpec> whole = with_inherited(prompts, key);
    if (whole) {
      check_prompt("prompt." + key, output, *whole, problems);
    } else {
      problems.invalid("prompt." + key + ".like", whole.error().message());
    }
  }
}

}  // namespace fathom::eval
