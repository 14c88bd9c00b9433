// Benchmarks on the way: when they are asked, that training does not feel them, and what is kept of
// them where a run is cut. Real tasks are in tests/cli/train_tasks.clitest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>

#include "backend/backend.h"
#include "comm/threads/run_ranks.h"
#include "report/run/run_history.h"
#include "train/test_support.h"

namespace fathom::train {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Measures the sum of the weights' magnitudes: another number at every step.
class WeightSum : public TaskEvaluator {
 public:
  std::optional<std::vector<report::TaskMetrics>> evaluate(Ctx&, model::TrainingModel& model,
                                                           i64 step) override {
    if (stops) return std::nullopt;
    steps.push_back(step);
    double sum = 0.0;
    for (const float weight : model.weights()) sum += std::abs(static_cast<double>(weight));
    return {{{.step = step, .task = "size", .items = 3, .values = {{"sum", sum}}},
             {.step = step, .task = "half", .items = 1, .values = {{"sum", sum / 2}}}}};
  }

  bool stops = false;
  std::vector<i64> steps;
};

class RunTasks : public ::testing::Test {
 protected:
  RunConfig config_of(const std::string& out, i64 every) const {
    RunConfig config = run_.config(out);
    config.train.steps = 7;
    config.train.checkpoint_every = 3;
    config.train.validation_every = 2;
    config.eval.tasks = {"size"};
    config.eval.every = every;
    return config;
  }
  TrainResult train(const RunConfig& config, TaskEvaluator* tasks, i64 stop_after = -1) {
    i64 taken = 0;
    TrainEvents events;
    events.step = [&](const report::StepMetrics&) { ++taken; };
    events.task = [&](const report::TaskMetrics& task) { told_.push_back(task.step); };
    events.stop_requested = [&] { return stop_after >= 0 && taken >= stop_after; };
    return fathom::train::train(ctx_, {.config = config, .measure_peak = false, .tasks = tasks},
                                events);
  }
  static std::string weights_of(const RunConfig& config) {
    std::ifstream file(fs::path(config.run.out) / "model/model.safetensors", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// The curve of a task as the report has it: sums by step.
  static std::vector<std::pair<i64, double>> curve(const RunConfig& config, size_t task) {
    const auto run = value_or_throw(report::read_run(config.run.out));
    std::vector<std::pair<i64, double>> points;
    if (run.history.tasks().size() <= task) return points;
    for (const auto& bucket : run.history.tasks()[task].values.buckets()) {
      points.emplace_back(bucket.last.step, report::BucketedRows::cell(bucket, 0).mean());
    }
    return points;
  }

  TinyRun run_;
  Ctx ctx_ = backend::make_context();
  std::vector<i64> told_;
};

TEST_F(RunTasks, AreAskedAtTheirStepsAndAtTheEnd) {
  WeightSum tasks;
  const TrainResult result = train(config_of("out", 3), &tasks);
  EXPECT_THAT(tasks.steps, ElementsAre(3, 6, 7));
  EXPECT_THAT(told_, ElementsAre(3, 3, 6, 6, 7, 7));
  ASSERT_EQ(result.tasks.size(), 2u);
  EXPECT_EQ(result.tasks[0].step, 7);
  WeightSum at_end;
  train(config_of("end", 0), &at_end);
  EXPECT_THAT(at_end.steps, ElementsAre(7));
}

TEST_F(RunTasks, ChangeNothingInTheModel) {
  WeightSum tasks;
  train(config_of("with", 1), &tasks);
  RunConfig without = config_of("without", 0);
  without.eval.tasks.clear();
  train(without, nullptr);
  EXPECT_EQ(weights_of(config_of("with", 1)), weights_of(without));
}

TEST_F(RunTasks, ThatFailCostNoStep) {
  struct Failing : TaskEvaluator {
    std::optional<std::vector<report::TaskMetrics>> evaluate(Ctx&, model::TrainingModel&,
                                                             i64) override {
      throw Error(ErrorCode::kInvalidInput, "no room for an answer");
    }
  } failing;
  const RunConfig config = config_of("failed", 0);
  EXPECT_THROW(train(config, &failing), Error);
  WeightSum tasks;
  const TrainResult result = train(config, &tasks);
  EXPECT_EQ(result.resumed_step, 7);
  EXPECT_THAT(tasks.steps, ElementsAre(7));
  EXPECT_FALSE(weights_of(config).empty());
}

// Cut anywhere, also between two records and the checkpoint behind them: each due step stands once.
TEST_F(RunTasks, AreThereOnceHoweverARunIsCut) {
  WeightSum whole_tasks;
  const RunConfig whole = config_of("whole", 2);
  train(whole, &whole_tasks);
  ASSERT_EQ(curve(whole, 0).size(), 4u);
  for (const i64 stop : {1, 2, 3, 4, 6}) {
    const RunConfig cut = config_of("cut" + std::to_string(stop), 2);
    WeightSum tasks;
    EXPECT_FALSE(train(cut, &tasks, stop).finished);
    EXPECT_TRUE(train(cut, &tasks).finished);
    EXPECT_EQ(curve(cut, 0), curve(whole, 0)) << stop;
    EXPECT_EQ(curve(cut, 1), curve(whole, 1)) << stop;
  }
  const size_t asked = whole_tasks.steps.size();
  train(whole, &whole_tasks);
  EXPECT_EQ(whole_tasks.steps.size(), asked) << "a finished run is not measured again";
}

TEST_F(RunTasks, ThatWereStoppedComeFirstInTheNextProcess) {
  const RunConfig config = config_of("out", 4);
  WeightSum tasks;
  tasks.stops = true;
  train(config, &tasks, 4);
  EXPECT_TRUE(curve(config, 0).empty());
  tasks.stops = false;
  train(config, &tasks);
  EXPECT_THAT(tasks.steps, ElementsAre(4, 7));
  EXPECT_EQ(curve(config, 0).size(), 2u);
}

TEST_F(RunTasks, OfAFinishedRunCanBeAdded) {
  RunConfig config = config_of("out", 0);
  config.eval.tasks.clear();
  train(config, nullptr);
  config.eval.tasks = {"size"};
  WeightSum tasks;
  EXPECT_TRUE(train(config, &tasks).finished);
  EXPECT_THAT(tasks.steps, ElementsAre(7));
  EXPECT_EQ(curve(config, 0).size(), 1u);
}

TEST_F(RunTasks, AreRefusedOnSeveralRanks) {
  const RunConfig config = config_of("out", 1);
  WeightSum tasks;
  try {
    comm::run_ranks(2, {}, [&](comm::Comm& world) {
      Ctx ctx = backend::make_context();
      fathom::train::train(
          ctx, {.config = config, .measure_peak = false, .world = &world, .tasks = &tasks});
    });
    FAIL() << "not refused";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("eval.tasks: on 2 ranks"));
  }
  EXPECT_FALSE(fs::exists(config.run.out));
}

}  // namespace
}  // namespace fathom::train
