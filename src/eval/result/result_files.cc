#include "eval/result/result_files.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <cmath>
#include <ctime>

#include "eval/result/sample_hashes.h"
#include "eval/run/aggregation.h"
#include "eval/task/few_shot.h"
#include "eval/text/python_json.h"
#include "eval/text/sha256.h"
#include "io/files/atomic_file.h"
#include "io/files/directories.h"
#include "io/text/python_format.h"

namespace fathom::eval {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

JsonValue or_not_available(const std::optional<double>& value) {
  return value ? JsonValue(*value) : JsonValue("N/A");
}

/// Metrics of a task or a group under lm-eval's keys, "acc,none" and "acc_stderr,none".
JsonObject metric_members(const std::string& name, i64 items,
                          std::span<const MetricResult> metrics) {
  JsonObject out;
  out.set("name", name);
  out.set("alias", name);
  out.set("sample_len", items);
  for (const MetricResult& each : metrics) {
    out.set(fmt::format("{},{}", each.metric, each.filter), each.value);
    out.set(fmt::format("{}_stderr,{}", each.metric, each.filter),
            or_not_available(each.stderr_of_value));
  }
  return out;
}

JsonObject config_of(const TaskResult& result) {
  const PromptSpec& prompt = result.task.prompt;
  JsonObject out;
  out.set("task", result.task.name);
  for (size_t i = 0; i < kOutputKindNames.size(); ++i) {
    if (kOutputKindNames[i].first == result.task.output) {
      out.set("output_type", kOutputKindNames[i].second);
    }
  }
  out.set("description", prompt.description);
  out.set("doc_to_text", prompt.contexts.empty() ? prompt.text : prompt.contexts);
  out.set("doc_to_target", prompt.target.empty() ? prompt.gold : prompt.target);
  if (!prompt.choices.empty()) out.set("doc_to_choice", prompt.choices);
  out.set("target_delimiter", prompt.target_delimiter);
  out.set("fewshot_delimiter", prompt.shot_delimiter);
  out.set("num_fewshot", prompt.shots);
  JsonArray metrics;
  for (const std::string& metric : prompt.metrics) {
    JsonObject one;
    one.set("metric", metric);
    metrics.emplace_back(std::move(one));
  }
  out.set("metric_list", std::move(metrics));
  return out;
}

std::string task_hash(const TaskResult& result) {
  std::string all;
  const size_t views = result.items.empty() ? 0 : result.items.front().views.size();
  for (size_t v = 0; v < views; ++v) {
    for (const Item& item : result.task.items) {
      const SampleHashes hashes = hashes_of(item);
      all += hashes.document + hashes.prompt + hashes.target;
    }
  }
  return sha256_hex(all);
}

JsonObject run_config(const RunFacts& facts) {
  const auto seed = static_cast<i64>(kShotSeed);
  JsonObject out;
  out.set("model", facts.model.kind);
  out.set("model_args", facts.model.arguments);
  out.set("model_dtype", facts.model.dtype);
  out.set("batch_size", JsonValue());
  out.set("batch_sizes", JsonArray{});
  out.set("device", "cpu");
  out.set("use_cache", JsonValue());
  out.set("limit", facts.limit > 0 ? JsonValue(static_cast<double>(facts.limit)) : JsonValue());
  out.set("bootstrap_iters", facts.bootstrap_iterations);
  out.set("gen_kwargs", JsonObject{});
  out.set("random_seed", 0);
  out.set("numpy_seed", seed);
  out.set("torch_seed", seed);
  out.set("fewshot_seed", seed);
  return out;
}

JsonValue token_pair(const ModelFacts::Token& token) {
  if (token.id < 0) return JsonArray{JsonValue(), "None"};
  return JsonArray{token.text, fmt::format("{}", token.id)};
}

/// What lm-eval's layout has no place for: the intervals and the line of guessing.
JsonObject own_results(std::span<const TaskResult> results, const RunFacts& facts) {
  JsonObject tasks;
  for (const TaskResult& result : results) {
    JsonObject intervals;
    for (const MetricResult& metric : result.metrics) {
      if (!metric.interval) continue;
      intervals.set(fmt::format("{},{}", metric.metric, metric.filter),
                    JsonArray{metric.interval->first, metric.interval->second});
    }
    JsonObject one;
    if (result.chance > 0) one.set("chance", result.chance);
    one.set("wilson_95", std::move(intervals));
    JsonObject splits;
    for (const TrainingSplit& split : split_by_training(result)) {
      JsonObject sides;
      sides.set("clean", JsonArray{split.clean_items, split.clean});
      sides.set("in_training", JsonArray{split.dirty_items, split.dirty});
      splits.set(fmt::format("{},{}", split.metric, split.filter), std::move(sides));
    }
    if (!splits.empty()) one.set("by_training", std::move(splits));
    tasks.set(result.task.name, std::move(one));
  }
  JsonObject own;
  own.set("preset", facts.preset);
  own.set("seed", facts.seed);
  if (!facts.judge.empty()) own.set("judge", facts.judge);
  if (!facts.sandbox_layers.empty()) {
    own.set("sandbox", JsonArray(facts.sandbox_layers.begin(), facts.sandbox_layers.end()));
  }
  own.set("tasks", std::move(tasks));
  return own;
}

void add_tasks(std::span<const TaskResult> results, JsonObject& root) {
  JsonObject members, groups, subtasks, configs, versions, shots, better, samples;
  for (const TaskResult& result : results) {
    const std::string& name = result.task.name;
    members.set(name, metric_members(name, std::ssize(result.items), result.metrics));
    configs.set(name, config_of(result));
    versions.set(name, 1.0);
    shots.set(name, result.task.prompt.shots);
    JsonObject directions, counts;
    for (const MetricResult& metric : result.metrics) {
      directions.set(metric.metric, metric.higher_is_better);
    }
    better.set(name, std::move(directions));
    counts.set("original", result.task.num_documents);
    counts.set("effective", std::ssize(result.items));
    samples.set(name, std::move(counts));
    if (result.task.group.empty()) subtasks.set(name, JsonArray{});
  }
  for (const GroupResult& group : aggregate_groups(results)) {
    JsonArray names;
    for (const TaskResult* const part : group.parts) names.emplace_back(part->task.name);
    subtasks.set(group.name, std::move(names));
    const JsonObject summary = metric_members(group.name, group.items, group.metrics);
    groups.set(group.name, summary);
    members.set(group.name, summary);
  }
  root.set("results", std::move(members));
  if (!groups.empty()) root.set("groups", std::move(groups));
  root.set("group_subtasks", std::move(subtasks));
  root.set("configs", std::move(configs));
  root.set("versions", std::move(versions));
  root.set("n-shot", std::move(shots));
  root.set("higher_is_better", std::move(better));
  root.set("n-samples", std::move(samples));
}

}  // namespace

std::string file_stamp(double unix_time) {
  const auto whole = static_cast<std::time_t>(unix_time);
  const auto micros = static_cast<i64>((unix_time - std::floor(unix_time)) * 1e6);
  return fmt::format("{:%Y-%m-%dT%H-%M-%S}.{:06}", fmt::localtime(whole), micros);
}

std::string sanitized_model_name(std::string_view name) {
  std::string out;
  bool in_run = false;
  for (const char c : name) {
    const bool bad = std::string_view("\"<>:/|\\?*[]").find(c) != std::string_view::npos;
    if (!bad) out += c;
    if (bad && !in_run) out += "__";
    in_run = bad;
  }
  return out;
}

std::string results_text(std::span<const TaskResult> results, const RunFacts& facts) {
  JsonObject root;
  add_tasks(results, root);
  root.set("config", run_config(facts));
  root.set("git_hash", JsonValue());
  root.set("date", facts.started);
  root.set("tokenizer_pad_token", token_pair(facts.model.pad));
  root.set("tokenizer_eos_token", token_pair(facts.model.eos));
  root.set("tokenizer_bos_token", token_pair(facts.model.bos));
  root.set("eot_token_id", facts.model.eos.id < 0 ? JsonValue() : JsonValue(facts.model.eos.id));
  root.set("max_length", facts.model.max_length);
  JsonObject hashes;
  for (const TaskResult& result : results) hashes.set(result.task.name, task_hash(result));
  root.set("task_hashes", std::move(hashes));
  root.set("model_source", facts.model.kind);
  root.set("model_name", facts.model.name);
  root.set("model_name_sanitized", sanitized_model_name(facts.model.name));
  root.set("system_instruction", JsonValue());
  root.set("system_instruction_sha", JsonValue());
  root.set("fewshot_as_multiturn", JsonValue());
  root.set("chat_template", JsonValue());
  root.set("chat_template_sha", JsonValue());
  root.set("total_evaluation_time_seconds", io::python_float(facts.seconds));
  root.set("fathom", own_results(results, facts));
  return python_json(root, 2);
}

std::filesystem::path results_folder(const std::filesystem::path& out, const ModelFacts& model) {
  return out / sanitized_model_name(model.name);
}

std::filesystem::path write_results(const std::filesystem::path& out,
                                    std::span<const TaskResult> results, const RunFacts& facts) {
  const std::filesystem::path folder = results_folder(out, facts.model);
  io::make_directories(folder);
  for (const TaskResult& result : results) {
    const std::string name = fmt::format("samples_{}_{}.jsonl", result.task.name, facts.stamp);
    io::write_file_atomically(folder / name, samples_lines(result));
  }
  io::write_file_atomically(folder / fmt::format("results_{}.json", facts.stamp),
                            results_text(results, facts));
  return folder;
}

}  // namespace fathom::eval
