#include "cli/train/train_result.h"

#include <utility>
#include <vector>

#include "cli/output.h"
#include "cli/train/train_progress.h"
#include "io/json.h"

namespace fathom::cli {
namespace {

io::JsonObject named_numbers(const std::vector<report::NamedNumber>& numbers) {
  io::JsonObject object;
  for (const auto& [name, number] : numbers) object.set(name, number);
  return object;
}

io::JsonObject tasks_json(const std::vector<report::TaskMetrics>& tasks) {
  io::JsonObject object;
  for (const report::TaskMetrics& task : tasks) {
    io::JsonObject entry;
    entry.set("step", task.step);
    entry.set("items", task.items);
    entry.set("chance", task.chance);
    entry.set("values", named_numbers(task.values));
    entry.set("errors", named_numbers(task.errors));
    object.set(task.task, std::move(entry));
  }
  return object;
}

io::JsonObject validation_json(const std::vector<report::ValidationMetrics>& sets) {
  io::JsonObject object;
  for (const report::ValidationMetrics& set : sets) {
    io::JsonObject entry;
    entry.set("loss", set.loss);
    entry.set("bits_per_byte", set.bits_per_byte);
    entry.set("mtp_loss", io::JsonArray(set.mtp_loss.begin(), set.mtp_loss.end()));
    entry.set("mtp_acceptance",
              io::JsonArray(set.mtp_acceptance.begin(), set.mtp_acceptance.end()));
    object.set(set.set, std::move(entry));
  }
  return object;
}

void print_json(const train::TrainResult& result) {
  io::JsonObject object;
  object.set("finished", result.finished);
  object.set("step", result.step);
  object.set("steps", result.steps);
  object.set("resumed_step", result.resumed_step);
  object.set("tokens", result.tokens);
  object.set("skipped_steps", result.skipped_steps);
  object.set("seconds", result.seconds);
  object.set("loss", result.loss);
  object.set("validation", validation_json(result.validation));
  if (!result.tasks.empty()) object.set("tasks", tasks_json(result.tasks));
  object.set("checkpoint", result.checkpoint.string());
  object.set("model", result.model.string());
  object.set("model_ema", result.model_ema.string());
  out::print("{}\n", io::write_json(std::move(object), 2));
}

void print_text(const train::TrainResult& result, const std::string& out) {
  out::print("{}: {} of {} steps, {} tokens in {}", out, result.step, result.steps, result.tokens,
             format_duration(result.seconds));
  if (result.skipped_steps > 0) out::print(", {} steps skipped", result.skipped_steps);
  out::print("\n");
  for (const report::ValidationMetrics& set : result.validation) {
    out::print("  {}: loss {:.4f}, {:.4f} bits per byte\n", set.set, set.loss, set.bits_per_byte);
  }
  for (const report::TaskMetrics& task : result.tasks) {
    out::print("  {}: {}\n", task.task, format_task_values(task));
  }
  if (!result.finished) {
    out::print("stopped at {}; the same command goes on from there\n", result.checkpoint.string());
    return;
  }
  out::print("model: {}\n", result.model.string());
  if (!result.model_ema.empty()) out::print("averaged: {}\n", result.model_ema.string());
}

}  // namespace

void print_train_result(const train::TrainResult& result, const std::string& out, bool json) {
  if (json) {
    print_json(result);
  } else {
    print_text(result, out);
  }
}

}  // namespace fathom::cli
