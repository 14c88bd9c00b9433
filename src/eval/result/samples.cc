#include <fmt/format.h>

#include "eval/result/result_files.h"
#include "eval/result/sample_hashes.h"
#include "eval/run/aggregation.h"
#include "eval/text/python_json.h"
#include "eval/text/sha256.h"
#include "io/text/python_format.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

/// lm-eval prints every answer as a text: ["-12.5", "False"].
JsonValue printed(const TextScore& score) {
  return JsonArray{io::python_float(score.log_prob), score.greedy ? "True" : "False"};
}

JsonValue generation_settings(const PromptSpec& prompt, const Item& item) {
  JsonObject settings;
  settings.set("until", JsonArray(item.stop.begin(), item.stop.end()));
  settings.set("max_gen_toks", prompt.max_tokens);
  settings.set("do_sample", prompt.temperature > 0);
  settings.set("temperature", prompt.temperature);
  if (prompt.temperature > 0) settings.set("top_p", prompt.top_p);
  return settings;
}

JsonObject argument(std::string first, JsonValue second) {
  JsonObject out;
  out.set("arg_0", std::move(first));
  out.set("arg_1", std::move(second));
  return out;
}

/// All requests of an item, and the answers to them.
struct Requests {
  JsonObject arguments;
  JsonArray answers;  // each in a list of repeats
  JsonArray filtered;

  void add(JsonObject request, JsonValue answer, JsonValue after_filter) {
    add_repeats(std::move(request), JsonArray{std::move(answer)}, std::move(after_filter));
  }
  void add_repeats(JsonObject request, JsonArray repeats, JsonValue after_filter) {
    arguments.set(fmt::format("gen_args_{}", answers.size()), std::move(request));
    answers.push_back(std::move(repeats));
    filtered.push_back(std::move(after_filter));
  }
};

Requests requests_of(const Task& task, const Item& item, const ItemResult& result,
                     const ItemView& view) {
  Requests out;
  if (task.output == OutputKind::kGenerate) {
    JsonArray answers;
    for (const GeneratedText& answer : result.answers) answers.emplace_back(answer.text);
    const JsonArray filtered(view.answers.begin(), view.answers.end());
    // As lm-eval: of one answer a text, of several ones a list.
    out.add_repeats(argument(item.prompt, generation_settings(task.prompt, item)),
                    std::move(answers),
                    filtered.size() == 1 ? filtered.front() : JsonValue(filtered));
    return out;
  }
  if (task.output == OutputKind::kRolling) {
    const JsonValue log_prob = io::python_float(result.scores.options.front().log_prob);
    JsonObject document;
    document.set("arg_0", item.prompt);
    out.add(std::move(document), log_prob, log_prob);
    return out;
  }
  for (size_t i = 0; i < result.scores.options.size(); ++i) {
    const JsonValue score = printed(result.scores.options[i]);
    out.add(argument(item.options[i].context, item.options[i].text), score, score);
  }
  for (size_t i = 0; i < result.scores.unconditional.size(); ++i) {
    const JsonValue score = printed(result.scores.unconditional[i]);
    out.add(argument("", item.options[i].text), score, score);
  }
  return out;
}

/// A judge's words, of all answers in one list.
JsonArray judged(const ItemView& view) {
  JsonArray all;
  for (const std::vector<Verdict>& votes : view.verdicts) {
    for (const Verdict& verdict : votes) {
      JsonObject one;
      one.set("reply", verdict.reply);
      one.set("verdict", verdict.label);
      if (verdict.swapped) one.set("swapped", true);
      all.emplace_back(std::move(one));
    }
  }
  return all;
}

/// What lm-eval's format has no place for.
JsonObject own_facts(const Task& task, const Item& item, const ItemResult& result,
                     const ItemView& view) {
  JsonObject own;
  if (item.in_training) own.set("in_training", *item.in_training);
  JsonArray tokens, unconditional;
  bool truncated = false, merged = false;
  for (const TextScore& score : result.scores.options) {
    tokens.emplace_back(score.tokens);
    truncated |= score.truncated;
    merged |= score.merged;
  }
  for (const TextScore& score : result.scores.unconditional) {
    unconditional.emplace_back(score.log_prob);
  }
  if (task.output == OutputKind::kGenerate) {
    bool complete = true;
    JsonArray lengths;
    for (const GeneratedText& answer : result.answers) {
      lengths.emplace_back(answer.tokens);
      complete &= answer.complete;
      truncated |= answer.truncated;
    }
    own.set("answer_tokens", lengths.size() == 1 ? lengths.front() : JsonValue(lengths));
    own.set("complete", complete);
    if (!view.verdicts.empty()) own.set("judge", judged(view));
  } else {
    own.set("option_tokens", std::move(tokens));
    if (!unconditional.empty()) own.set("unconditional", std::move(unconditional));
    own.set("merged", merged);
  }
  own.set("truncated", truncated);
  return own;
}

}  // namespace

SampleHashes hashes_of(const Item& item) {
  const std::string& prompt = item.options.empty() ? item.prompt : item.options.front().context;
  return {sha256_hex(python_json(item.document.stored, 2)), sha256_hex(prompt),
          sha256_hex(python_str(item.target))};
}

std::string samples_lines(const TaskResult& result) {
  const Task& task = result.task;
  std::string lines;
  const size_t views = result.items.empty() ? 0 : result.items.front().views.size();
  for (size_t v = 0; v < views; ++v) {
    for (size_t i = 0; i < task.items.size(); ++i) {
      const Item& item = task.items[i];
      const ItemView& view = result.items[i].views[v];
      Requests requests = requests_of(task, item, result.items[i], view);
      const SampleHashes hashes = hashes_of(item);
      JsonArray metrics;
      for (const std::string& metric : task.prompt.metrics) metrics.emplace_back(metric);
      JsonObject line;
      line.set("doc_id", item.index);
      line.set("doc", item.document.stored);
      line.set("target", python_str(item.target));
      line.set("arguments", std::move(requests.arguments));
      line.set("resps", std::move(requests.answers));
      line.set("filtered_resps", std::move(requests.filtered));
      line.set("filter", view.filter);
      line.set("metrics", std::move(metrics));
      line.set("doc_hash", hashes.document);
      line.set("prompt_hash", hashes.prompt);
      line.set("target_hash", hashes.target);
      for (size_t m = 0; m < task.prompt.metrics.size(); ++m) {
        const MetricInfo info = *find_metric(task.prompt.metrics[m], task.output);
        if (task.output == OutputKind::kRolling) {
          line.set(task.prompt.metrics[m],
                   JsonArray{view.values[m], units_of(info.aggregation, item.prompt)});
        } else {
          line.set(task.prompt.metrics[m], view.values[m]);
        }
      }
      line.set("fathom", own_facts(task, item, result.items[i], view));
      lines += python_json(JsonValue(std::move(line))) + "\n";
    }
  }
  return lines;
}

}  // namespace fathom::eval
