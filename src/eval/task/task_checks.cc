#include "eval/task/task_checks.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/task/metric_names.h"
#include "eval/task/template/template.h"

namespace fathom::eval {
namespace {

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

std::string_view name_of(OutputKind output) {
  for (const auto& [kind, name] : kOutputKindNames) {
    if (kind == output) return name;
  }
  return {};
}

/// Keys of one table that were set where they change nothing.
class Unused {
 public:
  Unused(const std::string& key, Problems& problems) : key_(key), problems_(problems) {}

  /// `unset`: what the key is where nobody wrote it.
  template <typename T>
  void refuse_unless(bool used, const char* name, const T& value, const T& unset,
                     std::string_view reason) {
    if (used || value == unset) return;
    problems_.invalid(fmt::format("{}.{}", key_, name), fmt::format("has no effect {}", reason));
  }

 private:
  const std::string& key_;
  Problems& problems_;
};

bool any_file_ends(const SourceSpec& source, std::initializer_list<std::string_view> endings) {
  return std::ranges::any_of(endings, [&](std::string_view ending) {
    if (!source.format.empty()) return source.format == ending.substr(1);
    const auto has = [&](const std::string& file) {
      const size_t at = file.find(ending), end = at + ending.size();
      return at != file.npos && (end == file.size() || file[end] == '.');
    };
    return std::ranges::any_of(source.test, has) || std::ranges::any_of(source.shots, has);
  });
}

void check_unused(const std::string& key, const SourceSpec& source, Problems& problems) {
  const SourceSpec unset;
  Unused keys(key, problems);
  const bool shots = !source.shots.empty();
  keys.refuse_unless(shots, "shot_fields", source.shot_fields, unset.shot_fields, "without shots");
  keys.refuse_unless(shots, "shot_where", source.shot_where, unset.shot_where, "without shots");
  keys.refuse_unless(any_file_ends(source, {".csv", ".tsv"}), "columns", source.columns,
                     unset.columns, "on files that are no .csv or .tsv");
  keys.refuse_unless(any_file_ends(source, {".json"}), "rows", source.rows, unset.rows,
                     "on files that are no .json");
  keys.refuse_unless(!source.fields.empty(), "keep_fields", source.keep_fields, unset.keep_fields,
                     "without fields");
}

bool has_metric(const PromptSpec& prompt, const auto& test) {
  return std::ranges::any_of(prompt.metrics, test);
}

/// Keys of prompts that one kind of output alone reads.
void check_unused_by_output(OutputKind output, const PromptSpec& prompt, Unused& keys) {
  const PromptSpec unset;
  const std::string reason = fmt::format("with output = \"{}\"", name_of(output));
  const bool choice = output == OutputKind::kMultipleChoice;
  const bool generates = output == OutputKind::kGenerate;
  const bool rolling = output == OutputKind::kRolling;
  const auto check = [&](bool used, const char* name, const auto& value, const auto& none) {
    keys.refuse_unless(used, name, value, none, reason);
  };
  check(choice, "contexts", prompt.contexts, unset.contexts);
  check(choice, "choices", prompt.choices, unset.choices);
  check(choice, "gold", prompt.gold, unset.gold);
  check(choice, "whole", prompt.whole, unset.whole);
  check(generates, "stop", prompt.stop, unset.stop);
  check(generates, "item_stop", prompt.item_stop, unset.item_stop);
  check(generates, "max_tokens", prompt.max_tokens, unset.max_tokens);
  check(generates, "samples", prompt.samples, unset.samples);
  check(generates, "temperature", prompt.temperature, unset.temperature);
  check(generates, "top_p", prompt.top_p, unset.top_p);
  check(generates, "program", prompt.program, unset.program);
  check(generates, "filter", prompt.filters.empty(), true);
  check(generates, "judge", prompt.judge.text, unset.judge.text);
  check(rolling, "window", prompt.window, unset.window);
  check(rolling, "stride", prompt.stride, unset.stride);
  check(!rolling, "description", prompt.description, unset.description);
  check(!rolling, "text", prompt.text, unset.text);
  check(!rolling, "shots", prompt.shots, unset.shots);
  check(!rolling, "shot_text", prompt.shot_text, unset.shot_text);
  check(!rolling, "shot_target", prompt.shot_target, unset.shot_target);
  check(!rolling, "shot_group", prompt.shot_group, unset.shot_group);
}

void check_unused(const std::string& key, OutputKind output, const PromptSpec& prompt,
                  Problems& problems) {
  const PromptSpec unset;
  Unused keys(key, problems);
  check_unused_by_output(output, prompt, keys);
  const bool contexts = !prompt.contexts.empty();
  for (const auto& [name, value] : {std::pair{"text", &prompt.text},
                                    {"choices", &prompt.choices},
                                    {"shot_text", &prompt.shot_text}}) {
    keys.refuse_unless(!contexts, name, *value, std::string(), "beside contexts");
  }
  keys.refuse_unless(output != OutputKind::kMultipleChoice || contexts, "target", prompt.target,
                     unset.target, "beside choices and gold");
  const bool grouped = !prompt.shot_group.empty();
  keys.refuse_unless(!grouped, "shot_order", prompt.shot_order, unset.shot_order,
                     "beside shot_group");
  keys.refuse_unless(!grouped, "shot_extra", prompt.shot_extra, unset.shot_extra,
                     "beside shot_group");
  const bool runs =
      has_metric(prompt, [](const std::string& name) { return passes_of(name).has_value(); });
  keys.refuse_unless(runs, "program", prompt.program, unset.program, "without a metric pass@K");
  keys.refuse_unless(runs, "language", prompt.language, unset.language, "without a metric pass@K");
  keys.refuse_unless(runs, "program_s", prompt.program_s, unset.program_s,
                     "without a metric pass@K");
  const bool words =
      has_metric(prompt, [](const std::string& name) { return name.ends_with("exact_match"); });
  const char* const kWithout = "without the metric exact_match";
  keys.refuse_unless(words, "ignore", prompt.ignore, unset.ignore, kWithout);
  keys.refuse_unless(words, "ignore_case", prompt.ignore_case, unset.ignore_case, kWithout);
  keys.refuse_unless(words, "ignore_punctuation", prompt.ignore_punctuation,
                     unset.ignore_punctuation, kWithout);
  keys.refuse_unless(words, "ignore_numbers", prompt.ignore_numbers, unset.ignore_numbers,
                     kWithout);
  keys.refuse_unless(prompt.temperature > 0, "top_p", prompt.top_p, unset.top_p,
                     "at temperature 0");
}

void check_metrics(const std::string& key, OutputKind output, const PromptSpec& prompt,
                   Problems& problems) {
  if (prompt.metrics.empty()) problems.invalid(key + ".metrics", "names none");
  for (const std::string& metric : prompt.metrics) {
    const std::string wrong = check_metric(metric, output);
    if (!wrong.empty()) problems.invalid(key + ".metrics", wrong);
  }
  const auto& all = prompt.metrics;
  if (!prompt.main_metric.empty() && std::ranges::find(all, prompt.main_metric) == all.end()) {
    problems.invalid(key + ".main_metric", "expected one of metrics");
  }
}

/// A judge is there exactly where a metric wants it.
void check_judge(const std::string& key, OutputKind output, const PromptSpec& prompt,
                 Problems& problems) {
  const JudgeSpec& judge = prompt.judge;
  const bool wanted = has_metric(prompt, [&](const std::string& name) {
    const auto info = find_metric(name, output);
    return info && info->judged;
  });
  if (!wanted) {
    Unused(key, problems)
        .refuse_unless(false, "judge", judge.text, std::string(), "without a metric that asks it");
    return;
  }
  check_template(key + ".judge.text", judge.text, problems);
  check_template(key + ".judge.verdict", judge.verdict, problems);
  check_template(key + ".judge.baseline", judge.baseline, problems);
  check_pairs(key + ".judge.labels", judge.labels, false, problems);
  if (judge.text.empty()) problems.invalid(key + ".judge.text", "missing");
  if (judge.verdict.empty()) problems.invalid(key + ".judge.verdict", "missing");
  if (judge.labels.empty()) problems.invalid(key + ".judge.labels", "names none");
  const bool compares =
      has_metric(prompt, [](const std::string& name) { return name == kWinRate; });
  if (compares != judge.compares()) {
    problems.invalid(key + ".judge.baseline", compares
                                                  ? "missing: win_rate compares two answers"
                                                  : "has no effect without the metric win_rate");
  }
  for (const std::string& pair : judge.labels) {
    const std::string_view label =
        std::string_view(pair).substr(std::min(pair.find(": ") + 2, pair.size()));
    const auto info = find_metric(label, output);
    const bool place = label == "first" || label == "second" || label == "tie";
    if (judge.compares() ? place : info && info->judged && label != kWinRate) continue;
    problems.invalid(
        key + ".judge.labels",
        fmt::format("expected \"verdict: {}\", found \"{}\"",
                    judge.compares() ? "first, second or tie" : "a judged metric", pair));
  }
  const i64 different = judge.compares() ? 2 : 1;
  if (judge.votes > different && judge.temperature == 0) {
    problems.invalid(key + ".judge.votes",
                     fmt::format("found {}: at temperature 0 there are {} different questions",
                                 judge.votes, different));
  }
}

}  // namespace

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
  check_unused(key, source, problems);
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
                                                              {".program", &prompt.program},
                                                              {".language", &prompt.language},
                                                              {".item_stop", &prompt.item_stop}};
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
  if (has_metric(prompt, [](const std::string& name) { return passes_of(name).has_value(); })) {
    require(".program", prompt.program);
  }
  const bool wants_whole =
      has_metric(prompt, [](const std::string& name) { return name == kWholeMetric; });
  if (wants_whole != prompt.whole) {
    problems.invalid(key + ".whole", wants_whole ? "expected true beside acc_ppl"
                                                 : "changes the other metrics: acc_ppl is its own");
  }
  check_metrics(key, output, prompt, problems);
  check_judge(key, output, prompt, problems);
  check_unused(key, output, prompt, problems);
  const std::string wrong = check_samples(prompt);
  if (!wrong.empty()) problems.invalid(key + ".samples", wrong);
}

std::string check_samples(const PromptSpec& prompt) {
  if (prompt.samples > 1 && prompt.temperature == 0) {
    return fmt::format("found {}: at temperature 0 all answers are the same", prompt.samples);
  }
  for (const std::string& metric : prompt.metrics) {
    const std::optional<i64> passes = passes_of(metric);
    if (passes && *passes > prompt.samples) {
      return fmt::format("found {}: the metric {} needs at least {}", prompt.samples, metric,
                         *passes);
    }
    if (!majority_of(metric).empty() && prompt.samples < 2) {
      return fmt::format("found {}: the metric {} needs several", prompt.samples, metric);
    }
  }
  return {};
}

}  // namespace fathom::eval
