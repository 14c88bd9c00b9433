#include "cli/train/train_tasks.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.h"
#include "cli/eval/subject.h"
#include "cli/eval/task_list.h"
#include "cli/progress.h"
#include "eval/model/request_runner.h"
#include "eval/run/aggregation.h"
#include "eval/run/evaluation.h"
#include "model/model.h"

namespace fathom::cli {
namespace {

/// Of errors that have no formula: fewer than `fathom eval` draws, since this is done again and
/// again.
constexpr i64 kBootstrapIterations = 1000;

report::TaskMetrics task_metrics(i64 step, const std::string& name, i64 items, double chance,
                                 const std::vector<eval::MetricResult>& metrics) {
  report::TaskMetrics out = {.step = step, .task = name, .items = items, .chance = chance};
  for (const eval::MetricResult& metric : metrics) {
    std::string label = metric.metric;
    if (metric.filter != "none") label += fmt::format(" ({})", metric.filter);
    if (metric.stderr_of_value) out.errors.emplace_back(label, *metric.stderr_of_value);
    out.values.emplace_back(std::move(label), metric.value);
  }
  return out;
}

/// Of a group its mean alone: a curve for each of MMLU's subjects shows nothing.
std::vector<report::TaskMetrics> all_task_metrics(i64 step,
                                                  const std::vector<eval::TaskResult>& results) {
  std::vector<report::TaskMetrics> all;
  for (const eval::TaskResult& result : results) {
    if (!result.task.group.empty()) continue;
    all.push_back(task_metrics(step, result.task.name, std::ssize(result.items), result.chance,
                               result.metrics));
  }
  for (const eval::GroupResult& group : eval::aggregate_groups(results)) {
    all.push_back(task_metrics(step, group.name, group.items, group.chance, group.metrics));
  }
  return all;
}

class RunTasks : public train::TaskEvaluator {
 public:
  RunTasks(const train::RunSetup& setup, const std::atomic<bool>* interrupted)
      : interrupted_(interrupted),
        codec_(value_or_throw(engine::load_text_codec(setup.config.model.tokenizer_path()))) {
    const EvalConfig& config = setup.config.eval;
    eval::BuildOptions build = {
        .data = config.data, .preset = config.preset, .limit = config.limit};
    if (config.shots >= 0) build.shots = config.shots;
    tasks_ = read_task_list(config.tasks, build, "eval.tasks");
    const auto judged = std::ranges::find_if(tasks_, eval::asks_judge);
    if (judged != tasks_.end()) {
      throw Error(
          ErrorCode::kUnsupported,
          fmt::format("eval.tasks: {} asks a judge, which a run does not have; `fathom eval "
                      "--judge` measures it",
                      judged->name));
    }
    refuse_long_answers(setup.model.max_position_embeddings);
    sandbox_ = sandbox_for(tasks_, /*always=*/false, /*unsafe=*/false);
    options_.directory = setup.config.run.out;
    const bool f32 = setup.config.recipe.precision.mode == TrainPrecision::kF32;
    options_.activations = f32 ? "f32" : "bf16";
  }

  std::optional<std::vector<report::TaskMetrics>> evaluate(Ctx& ctx, model::TrainingModel& model,
                                                           i64 step) override {
    const auto weights = model::Model::share(model.config(), model.layout(), model.weights());
    eval::EngineModelOptions settings =
        engine_model_options(options_, model.config(), codec_, longest_request_tokens(tasks_));
    settings.interrupted = interrupted_;
    eval::EngineModel subject(ctx, *weights, codec_, settings);
    ProgressLine progress;
    eval::EvaluationOptions options{.bootstrap_iterations = kBootstrapIterations};
    if (sandbox_) options.sandbox = &*sandbox_;
    options.on_progress = [&](i64 done, i64 total) { progress.update("answers", done, total); };
    try {
      return all_task_metrics(step, eval::evaluate(subject, tasks_, options));
    } catch (const eval::EvaluationInterrupted&) {
      return std::nullopt;
    }
  }

 private:
  /// Throws Error{kInvalidInput} for answers that leave no room for a prompt in the model's window.
  void refuse_long_answers(i64 window) const {
    for (const eval::Task& task : tasks_) {
      const bool generates = task.output == eval::OutputKind::kGenerate;
      if (!generates || task.prompt.max_tokens < window) continue;
      throw Error(
          ErrorCode::kInvalidInput,
          fmt::format("eval.tasks: {}: answers of up to {} tokens (max_tokens) leave no room for "
                      "a prompt in the model's window of {} (max_position_embeddings)",
                      task.name, task.prompt.max_tokens, window));
    }
  }

  const std::atomic<bool>* interrupted_;
  engine::TextCodec codec_;
  std::vector<eval::Task> tasks_;
  std::optional<eval::Sandbox> sandbox_;
  ModelOptions options_;
};

}  // namespace

std::unique_ptr<train::TaskEvaluator> make_task_evaluator(const train::RunSetup& setup,
                                                          const std::atomic<bool>* interrupted) {
  if (setup.config.eval.tasks.empty()) return nullptr;
  return std::make_unique<RunTasks>(setup, interrupted);
}

}  // namespace fathom::cli
