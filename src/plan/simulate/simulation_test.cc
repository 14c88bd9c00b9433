#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "plan/simulate/link_queue.h"
#include "plan/simulate/step_simulation.h"
#include "plan/test_models.h"

namespace fathom::plan {
namespace {

SimulatedStep simulated(const TrainingPlan& plan, const SimulationSetting& setting,
                        const std::vector<std::string>& edits = {}) {
  return simulate_step(shipped_cluster("h800", edits), plan, setting);
}

TEST(SimulationTest, WithoutSpreadsEqualsThePlan) {
  for (const auto overlap :
       {Overlap::kPairs, Overlap::kNone, Overlap::kAlone, Overlap::kAllPairs}) {
    for (const auto kind : {ScheduleKind::kDualPipe, ScheduleKind::kZbH1, ScheduleKind::k1F1B,
                            ScheduleKind::kDualPipeV, ScheduleKind::kInterleaved}) {
      Layout layout = v3_layout();
      layout.schedule = kind;
      layout.overlap = overlap;
      if (kind == ScheduleKind::kDualPipeV) layout.pipeline_ranks = 8;
      if (kind == ScheduleKind::kInterleaved) {
        layout.pipeline_ranks = 8;
        layout.chunks_per_rank = 2;
        layout.micro_batch_sequences = 1;
        layout.gpus = 1024;
      }
      const TrainingPlan plan = v3_plan(layout);
      ASSERT_TRUE(plan.problems.empty()) << plan.problems.front();
      const SimulatedStep step = simulated(plan, {});
      EXPECT_NEAR(step.step.value, plan.step.value, 1e-9 * plan.step.value)
          << to_string(kind) << " " << static_cast<int>(overlap);
      for (size_t r = 0; r < step.bubble.size(); ++r) {
        EXPECT_NEAR(step.bubble[r].value, plan.timeline.bubble[r].value, 1e-6);
      }
      EXPECT_EQ(step.skew.value, 0.0);
    }
  }
}

TEST(SimulationTest, SpreadsAndASlowGpuOnlyCost) {
  const TrainingPlan plan = v3_plan();
  const double even = simulated(plan, {}).step.value;
  const SimulatedStep spread = simulated(plan, {.seed = 1, .task_spread = 0.05});
  EXPECT_GT(spread.step.value, even);
  EXPECT_GT(spread.skew.value, 0.0);
  const SimulatedStep slow = simulated(plan, {.slow_gpu = 1000, .slow_factor = 1.2});
  EXPECT_GT(slow.step.value, even * 1.05);
  EXPECT_LT(slow.step.value, even * 1.25);
  EXPECT_EQ(simulated(plan, {.seed = 1, .task_spread = 0.05}).step, spread.step);
  EXPECT_NE(simulated(plan, {.seed = 2, .task_spread = 0.05}).step, spread.step);
}

TEST(SimulationTest, ASlowGpuMakesItsWholeGroupWait) {
  const TrainingPlan plan = v3_plan();
  const SimulatedStep slow = simulated(plan, {.slow_gpu = 0, .slow_factor = 1.5});
  const SimulatedStep even = simulated(plan, {});
  EXPECT_GT(slow.exposed_exchange[0].value, even.exposed_exchange[0].value);
}

// 1F1B on two ranks with one micro-batch is a chain: a transfer there and one back.
TEST(SimulationTest, TransfersBetweenStagesTakeTheirTime) {
  Layout layout = v3_layout();
  layout.schedule = ScheduleKind::k1F1B;
  layout.pipeline_ranks = 2;
  const TrainingPlan plan = plan_training(shipped_cluster("h800"), shipped_model("deepseek-v3"),
                                          layout, {.sequences = 1024, .tokens = 1e9});
  ASSERT_TRUE(plan.problems.empty()) << plan.problems.front();
  ASSERT_EQ(plan.schedule.micro_batches, 1);
  const Seconds transfer(0.25);
  EXPECT_NEAR(simulated(plan, {.transfer = transfer}).step.value,
              simulated(plan, {}).step.value + 2 * transfer.value, 1e-9);
}

// The card is one: what goes to the next stage holds up the exchanges behind it.
TEST(SimulationTest, TransfersAndExchangesShareTheCard) {
  const TrainingPlan plan = v3_plan();
  const Seconds transfer = stage_transfer(shipped_cluster("h800"), plan.layout, plan.run, 7168);
  EXPECT_NEAR(transfer.value, 4096.0 * 7168 * 2 / 50e9, 1e-12);
  const double without = simulated(plan, {}).step.value;
  const SimulatedStep with = simulated(plan, {.transfer = transfer});
  EXPECT_GT(with.step.value, without);
  EXPECT_LT(with.step.value, without * 1.10) << "beyond the factor that stands for them";
  // In 1F1B passes follow each other at once: a transfer that is longer than a pass's first compute
  // holds up the exchanges of the next pass.
  Layout chain = v3_layout();
  chain.schedule = ScheduleKind::k1F1B;
  const TrainingPlan in_order = v3_plan(chain);
  ASSERT_TRUE(in_order.problems.empty()) << in_order.problems.front();
  const auto exposed = [&](const SimulationSetting& setting) {
    Seconds sum;
    for (const Seconds each : simulated(in_order, setting).exposed_exchange) sum += each;
    return sum.value;
  };
  EXPECT_GT(exposed({.transfer = transfer * 20.0}), 1.01 * exposed({}));
  Layout halves = plan.layout;
  halves.tensor_ranks = 2;  // each sends its half of the numbers
  EXPECT_NEAR(stage_transfer(shipped_cluster("h800"), halves, plan.run, 7168).value,
              transfer.value / 2, 1e-12);
  Layout one_node = plan.layout;
  one_node.gpus = 8;
  EXPECT_LT(stage_transfer(shipped_cluster("h800"), one_node, plan.run, 7168), transfer);
}

TEST(SimulationTest, LinkTakesTheFirstGapThatIsLongEnough) {
  LinkQueue link;
  EXPECT_EQ(link.take(Seconds(0), Seconds(2)).value, 0);
  EXPECT_EQ(link.take(Seconds(5), Seconds(2)).value, 5);
  LinkQueue narrow = link;
  EXPECT_EQ(narrow.take(Seconds(1), Seconds(4)).value, 7);  // the gap of 3 is too short
  EXPECT_EQ(link.take(Seconds(1), Seconds(3)).value, 2);    // between, exactly
  EXPECT_EQ(link.take(Seconds(1), Seconds(1)).value, 7);
  EXPECT_EQ(link.take(Seconds(8), Seconds(1)).value, 8);
  link.forget(Seconds(7));
  EXPECT_EQ(link.take(Seconds(0), Seconds(7)).value, 0);
}

// Rows of tensor parallelism beside an exchange's forwarding: one waits for the other. Without
// tensor ranks there is one thing on the link at a time, and nothing beside each other either.
TEST(SimulationTest, RowsAndExchangesShareNvlink) {
  const auto step = [](i64 tensor_ranks, Overlap overlap, bool queue,
                       const std::vector<std::string>& edits = {}) {
    Layout layout = v3_layout();
    layout.tensor_ranks = tensor_ranks;
    layout.overlap = overlap;
    layout.gpus = 1024;
    const TrainingPlan plan = plan_training(
        shipped_cluster("h800", edits), shipped_model("deepseek-v3"), layout, {.sequences = 2560});
    EXPECT_TRUE(plan.problems.empty()) << plan.problems.front();
    return simulated(plan, {.nvlink_queue = queue}, edits).step.value;
  };
  EXPECT_EQ(step(1, Overlap::kPairs, true), step(1, Overlap::kPairs, false));
  EXPECT_NEAR(step(4, Overlap::kNone, true), step(4, Overlap::kNone, false), 1e-9);
  const double apart = step(4, Overlap::kPairs, false), queued = step(4, Overlap::kPairs, true);
  EXPECT_GT(queued, 1.001 * apart);
  EXPECT_LT(queued, 1.15 * apart);
  const std::vector<std::string> fast = {"nvlink_gb_s=100000"};
  EXPECT_NEAR(step(4, Overlap::kPairs, true, fast), step(4, Overlap::kPairs, false, fast), 0.01);
}

// DualPipeV's path turns round on a rank, and on one rank it is nothing but that.
TEST(SimulationTest, StagesOnOneRankSendNothing) {
  Layout layout = v3_layout();
  layout.schedule = ScheduleKind::kDualPipeV;
  layout.pipeline_ranks = 1;
  layout.gpus = 128;
  const TrainingPlan plan = v3_plan(layout);
  ASSERT_TRUE(plan.problems.empty()) << plan.problems.front();
  ASSERT_EQ(plan.schedule.stages, 2);
  EXPECT_EQ(simulated(plan, {.transfer = Seconds(1.0)}).step.value, simulated(plan, {}).step.value);
}

TEST(SimulationTest, TraceCoversEveryTaskOfOnePipeline) {
  const TrainingPlan plan = v3_plan();
  const SimulatedStep step = simulated(plan, {.keep_trace = true});
  EXPECT_EQ(std::ssize(step.trace) * plan.layout.data_ranks(), step.tasks);
  Seconds end;
  for (const TraceEvent& event : step.trace) {
    EXPECT_LT(event.start, event.end);
    end = larger(end, event.end);
  }
  EXPECT_NEAR(end.value, plan.timeline.makespan.value, 1e-6);
}

TEST(SimulationTest, TwoThousandGpusInSeconds) {
  const TrainingPlan plan = v3_plan();
  const auto start = std::chrono::steady_clock::now();
  const SimulatedStep step =
      simulated(plan, {.seed = 3, .gpu_spread = 0.01, .task_spread = 0.02, .routing_spread = 0.05});
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  std::printf("%ld tasks of 2,048 GPUs in %.2f s: a step of %.2f s\n",
              static_cast<long>(step.tasks), time.count(), step.step.value);
  EXPECT_LE(time.count(), 30.0);  // 10 s where nothing else runs
}

TEST(SimulationTest, FailuresAgreeWithTheClosedForm) {
  const OperationSection operation = shipped_cluster("h800").operation;
  const Reliability expected = reliability(operation, 2048);
  const SimulatedRun run =
      simulate_failures(operation, 2048, Seconds(365 * 86400.0), expected.checkpoint_interval, 1);
  EXPECT_GT(run.failures, 200);
  EXPECT_NEAR(run.goodput, expected.goodput, 0.01);
}

}  // namespace
}  // namespace fathom::plan
