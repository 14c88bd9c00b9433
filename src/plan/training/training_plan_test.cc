#include "plan/training/training_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "plan/advice/advice.h"
#include "plan/model_size.h"
#include "plan/test_models.h"
#include "plan/training/cpu_run.h"
#include "plan/training/search.h"

namespace fathom::plan {
namespace {

using testing::HasSubstr;

// ---- memory

TEST(KeptBytes, OfALayerOfV3) {
  const ModelConfig config = shipped_model("deepseek-v3");
  const auto kept = [&](Precision precision, Recompute recompute) {
    return kept_bytes(config, {.precision = precision, .recompute = recompute}, true).value;
  };
  EXPECT_EQ(kept(Precision::kBf16, Recompute::kNone), 457344);
  EXPECT_EQ(kept(Precision::kBf16, Recompute::kSelected), 256640);
  EXPECT_EQ(kept(Precision::kFp8, Recompute::kSelected), 161104);
  EXPECT_EQ(kept(Precision::kFp8, Recompute::kAll), 14336);
}

TEST(RankMemoryTest, ParametersOfAllRanksAreTheModels) {
  const ModelConfig config = shipped_model("deepseek-v3");
  const ModelSize size = model_size(config);
  for (const auto kind : {ScheduleKind::kDualPipe, ScheduleKind::k1F1B}) {
    Layout layout = v3_layout();
    layout.schedule = kind;
    const TrainingPlan plan = v3_plan(layout);
    double sum = 0.0;
    for (const RankMemory& m : plan.memory) {
      sum += m.dense_parameters + m.expert_parameters * static_cast<double>(layout.expert_ranks);
    }
    // DualPipe holds every stage twice; the MTP module's embedding and head are the model's.
    EXPECT_DOUBLE_EQ(sum, static_cast<double>((size.total + size.mtp) * plan.schedule.paths));
  }
}

TEST(RankMemoryTest, BytesOfAParameter) {
  Layout layout = v3_layout();
  for (const bool sharded : {true, false}) {
    layout.shard_optimizer = sharded;
    layout.bf16_moments = sharded;
    const RankMemory m = v3_plan(layout).memory[5];
    const double all = m.dense_parameters + m.expert_parameters;
    EXPECT_DOUBLE_EQ(m.weights.value, 2.0 * all);
    EXPECT_DOUBLE_EQ(m.gradients.value, 4.0 * all);
    // Mirrored stages: 2 * 128 copies of what is dense, 2 * 2 of an expert.
    const double state =
        sharded ? 8.0 * (m.dense_parameters / 256 + m.expert_parameters / 4) : 12.0 * all;
    EXPECT_DOUBLE_EQ(m.optimizer.value, state);
    EXPECT_NEAR(m.fragmentation.value, 0.05 / 1.05 * m.total().value, 1.0);
  }
}

TEST(RankMemoryTest, SchedulesKeepWhatTheirTableSays) {
  for (const auto& [kind, alive] :
       {std::pair(ScheduleKind::kDualPipe, 17.0), std::pair(ScheduleKind::k1F1B, 16.0)}) {
    Layout layout = v3_layout();
    layout.schedule = kind;
    const TrainingPlan plan = v3_plan(layout);
    double most = 0.0;
    size_t layers = 0;
    for (const RankMemory& m : plan.memory) most = std::max(most, m.alive);
    for (const Stage& stage : plan.stages) layers = std::max(layers, stage.layers.size());
    EXPECT_EQ(most, alive * static_cast<double>(layers)) << to_string(kind);
  }
}

// ---- stages

TEST(StagesTest, SplitsEvenlyAndLeavesNoPartEmpty) {
  EXPECT_THAT(split_evenly({1, 1, 1, 1, 1, 1}, 3), testing::ElementsAre(0, 2, 4));
  EXPECT_THAT(split_evenly({1, 1, 1, 5}, 2), testing::ElementsAre(0, 3));
  EXPECT_THAT(split_evenly({9, 1, 1}, 3), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(split_evenly({1, 1, 9}, 3), testing::ElementsAre(0, 1, 2));
  EXPECT_THAT(split_evenly({2, 2, 2}, 1), testing::ElementsAre(0));
}

TEST(StagesTest, V3sLastStageCarriesHeadAndMtp) {
  const TrainingPlan plan = v3_plan();
  ASSERT_EQ(plan.stages.size(), 16u);
  size_t layers = 0;
  for (const Stage& stage : plan.stages) {
    EXPECT_LE(stage.layers.size(), 4u);
    layers += stage.layers.size();
  }
  EXPECT_EQ(layers, 61u);
  EXPECT_EQ(plan.stages.back().layers.size(), 1u);
  EXPECT_EQ(plan.stages.back().times.size(), 1u + 2u + 1u);  // layer, MTP module and head, head
}

TEST(StagesTest, AHeavyHeadLeavesItsStageFewLayers) {
  const ModelConfig config = dense_model(8, 1024, 4096, 8, 8, 256000);
  const Layout layout{.gpus = 2, .pipeline_ranks = 2, .precision = Precision::kBf16};
  const auto stages = make_stages(shipped_cluster("h800"), config, layout, 2048);
  EXPECT_LE(stages.back().layers.size(), 2u);
  EXPECT_TRUE(stages.back().head);
  EXPECT_TRUE(stages.front().embedding);
}

TEST(PassTasksTest, OverlappedPairsLeaveNothingOut) {
  const TrainingPlan plan = v3_plan();
  for (const auto& [f, b] : {std::pair(1, 1), std::pair(0, 15), std::pair(15, 3)}) {
    const auto &forward = plan.stages[static_cast<size_t>(f)].times,
               &backward = plan.stages[static_cast<size_t>(b)].times;
    const auto sum = [](const PassTasks& tasks, Stream stream) {
      Seconds total;
      for (const PassTask& task : tasks) {
        if (task.stream == stream) total += task.time;
      }
      return total.value;
    };
    for (const Stream stream : {Stream::kCompute, Stream::kExchange}) {
      EXPECT_NEAR(sum(overlapped_tasks(forward, backward), stream),
                  sum(forward_tasks(forward), stream) + sum(backward_tasks(backward), stream),
                  1e-12);
    }
    EXPECT_LE(duration(overlapped_tasks(forward, backward)),
              duration(forward_tasks(forward)) + duration(backward_tasks(backward)));
  }
}

TEST(TrainingPlanTest, EveryKeyCountsAsIfNoneWereMasked) {
  const TrainingPlan plan = v3_plan();
  const double keys = 6.0 * 128 * (192 + 128) * 4096 * 61;  // q.k and p.v, three products each
  EXPECT_NEAR(plan.flops_per_s_per_gpu(false),
              plan.tokens_per_s_per_gpu() * (plan.flops.matrices + keys), 1e6);
}

TEST(TrainingPlanTest, CheckpointsEveryTwentySomeMinutes) {
  const TrainingPlan plan = v3_plan();
  EXPECT_NEAR(plan.goodput, 0.967, 0.001);
  EXPECT_NEAR(plan.checkpoint_interval.value, std::sqrt(2.0 * 30.0 * 50.7e3 * 3600 / 2048), 0.1);
}

// ---- layouts

std::string problems_of(const Layout& layout, i64 sequences = 15360) {
  const TrainingPlan plan = plan_training(shipped_cluster("h800"), shipped_model("deepseek-v3"),
                                          layout, {.sequences = sequences});
  std::string text;
  for (const std::string& problem : plan.problems) text += problem + "\n";
  return text;
}

TEST(LayoutTest, WhatDoesNotFitTogetherIsNamed) {
  EXPECT_EQ(problems_of(v3_layout()), "");
  Layout layout = v3_layout();
  layout.pipeline_ranks = 15;
  EXPECT_THAT(problems_of(layout), HasSubstr("pipeline_ranks * tensor_ranks = 15"));
  layout = v3_layout();
  layout.expert_ranks = 48;
  EXPECT_THAT(problems_of(layout), HasSubstr("expert_ranks = 48"));
  layout = v3_layout();
  layout.gpus = 4096;
  EXPECT_THAT(problems_of(layout), HasSubstr("gpus = 4096, the cluster has 2048"));
  EXPECT_THAT(problems_of(v3_layout(), 15361), HasSubstr("sequences a step = 15361"));
  EXPECT_THAT(problems_of(v3_layout(), 1280), HasSubstr("dualpipe: micro-batches: found 10"));
  layout = v3_layout();
  layout.pipeline_ranks = 64;
  layout.schedule = ScheduleKind::k1F1B;
  EXPECT_THAT(problems_of(layout), HasSubstr("64 stages for 61 layers"));
}

// ---- clusters

TEST(ClusterTest, EveryShippedFileIsReadAndSaysWhereItIsFrom) {
  for (const char* name : {"h800", "h100", "h200", "h20", "b200", "gb200-nvl72", "gb300-nvl72"}) {
    const Cluster cluster = shipped_cluster(name);
    for (const std::string* source :
         {&cluster.gpu.source, &cluster.node.source, &cluster.network.source, &cluster.gemm.source,
          &cluster.attention.source, &cluster.kernels.source, &cluster.exchange.source,
          &cluster.operation.source}) {
      EXPECT_GT(source->size(), 5u) << name;
    }
  }
  EXPECT_TRUE(shipped_cluster("zen4-2core").is_cpu());
}

TEST(ClusterTest, EditsFindTheOnlySectionThatHasTheKey) {
  EXPECT_EQ(shipped_cluster("h800", {"sm_for_comm=0"}).exchange.sm_for_comm, 0);
  EXPECT_EQ(shipped_cluster("h800", {"gpu.sms=100"}).gpu.sms, 100);
  const auto wrong = parse_cluster("", "x.toml", std::vector<std::string>{"source=\"a\""});
  ASSERT_FALSE(wrong.has_value());  // every section has one
  EXPECT_THAT(wrong.error().message(), HasSubstr("name one: gpu.source node.source"));
}

TEST(ClusterTest, WrongFilesAreNamed) {
  const auto problem = [](const std::vector<std::string>& edits) {
    const auto cluster = parse_cluster(read_text("configs/clusters/h800.toml"), "h800.toml", edits);
    return cluster ? "" : cluster.error().message();
  };
  EXPECT_THAT(problem({"gpu.sms=0"}), HasSubstr("gpu.sms: found 0"));
  EXPECT_THAT(problem({"gpu.sms=20"}), HasSubstr("exchange.sm_for_comm: found 20"));
  EXPECT_THAT(problem({"nic_gb_s=-1"}), HasSubstr("nic_gb_s"));
  EXPECT_THAT(problem({"low_latency_ranks=[8, 16]"}), HasSubstr("found 6 entries, expected 2"));
}

// ---- what-ifs

TEST(AdviceTest, EveryGainIsAtLeastNothingAndInItsRange) {
  const auto results =
      value_or_throw(evaluate_advice(shipped_cluster("h800"), shipped_model("deepseek-v3"),
                                     [] {
                                       Layout layout = v3_layout();
                                       layout.gpus = 2048;
                                       return layout;
                                     }(),
                                     {.sequences = 15360, .tokens = 14.8e12}));
  ASSERT_EQ(results.size(), hardware_advice().size() + 1);
  for (size_t i = 1; i < results.size(); ++i) {
    const AdviceResult& r = results[i];
    EXPECT_GE(r.gain, 0.0) << r.advice.name;
    EXPECT_LE(r.least, r.gain) << r.advice.name;
    EXPECT_GE(r.most, r.gain) << r.advice.name;
    EXPECT_FALSE(r.bottleneck.empty());
  }
  EXPECT_LT(results[1].least, results[1].gain);
  EXPECT_GT(results[1].most, results[1].gain);
}

/// plan.md §10's estimates of training, which were made by hand.
TEST(AdviceTest, GainsAreNearThoseOfTheReport) {
  const auto gain = [](const std::vector<std::string>& edits) {
    return v3_plan(v3_layout(), edits).tokens_per_s_per_gpu() / v3_plan().tokens_per_s_per_gpu() -
           1;
  };
  EXPECT_NEAR(gain({"exchange.sm_for_comm=0"}), 0.107, 0.02);
  EXPECT_NEAR(gain({"scale.gemm=0.8", "scale.wgrad=0.65"}), 0.15, 0.02);
  EXPECT_NEAR(gain({"scale.cast=0.2", "scale.transpose=0.2"}), 0.092, 0.025);
  EXPECT_NEAR(gain({"exchange.multicast=true"}), 0.025, 0.01);
  EXPECT_NEAR(gain({"exchange.combine_bytes_per_value=1"}), 0.03, 0.01);
}

TEST(TrainingPlanTest, MoreOfAnythingNeverTakesLonger) {
  const double base = v3_plan().step.value;
  for (const char* edit :
       {"gpu.sms=140", "gpu.memory_gb_s=4000", "node.nic_gb_s=100", "node.nvlink_gb_s=320",
        "gemm.fp8_block_us=0.4", "gemm.fixed_us=1", "attention.forward_tflops_per_sm=6",
        "attention.backward_tflops_per_sm=6", "exchange.dispatch_forward_gb_s=50",
        "exchange.combine_backward_gb_s=50", "kernels.cast=0.9", "operation.gap_frac=0",
        "operation.imbalance=1", "network.latency_us=0", "gpu.memory_gb=160"}) {
    EXPECT_LE(v3_plan(v3_layout(), {edit}).step.value, base) << edit;
  }
}

TEST(TrainingPlanTest, WaitsForTheSlowestRankCost) {
  const std::string waits = "exchange.wait_us=2060";
  const double base = v3_plan().step.value, waiting = v3_plan(v3_layout(), {waits}).step.value;
  EXPECT_GT(waiting, base);
  EXPECT_LT(waiting, base * 1.06);  // 28.4 ms of exchange still hide behind 31 ms of compute
}

TEST(TrainingPlanTest, ClosedFormIsNearThePlayedSchedule) {
  const TrainingPlan plan = v3_plan();
  const size_t middle = plan.stages.size() / 2;
  const Seconds closed =
      closed_form_makespan(ScheduleKind::kDualPipe, 16, 120, 1, plan.op_times.stages[middle],
                           plan.op_times.overlapped[middle][middle]);
  const Timeline even = play(
      plan.schedule,
      OpTimes::uniform(16, plan.op_times.stages[middle], plan.op_times.overlapped[middle][middle]));
  EXPECT_NEAR(closed / even.makespan, 1.0, 0.03);
}

TEST(SearchTest, FindsLayoutsThatFitQuickly) {
  const auto start = std::chrono::steady_clock::now();
  const SearchResult found = search_layouts(shipped_cluster("h800"), shipped_model("deepseek-v3"),
                                            {}, {.sequences = 15360, .tokens = 14.8e12});
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  EXPECT_EQ(found.best.size(), 20u);
  EXPECT_GT(found.considered, 1000);
  for (size_t i = 0; i < found.best.size(); ++i) {
    EXPECT_TRUE(found.best[i].fits());
    EXPECT_LE(found.best[i > 0 ? i - 1 : 0].step, found.best[i].step);
  }
  EXPECT_LE(found.best.front().step.value, v3_plan().step.value);
  std::printf("%d layouts in %.2f s\n", static_cast<int>(found.considered), time.count());
  EXPECT_LE(time.count(), 60.0);
}

TEST(SearchTest, NothingFitsOnASmallGpu) {
  const SearchResult found = search_layouts(shipped_cluster("h800", {"memory_gb=10", "gpus=16"}),
                                            shipped_model("deepseek-v3"), {}, {.sequences = 1024});
  EXPECT_TRUE(found.best.empty());
}

TEST(CpuRunTest, TimeIsArithmeticOverTheShareOfThePeak) {
  const CpuRun run = plan_cpu_run({.gemm_gflops = 400, .training_frac = 0.5}, Flops(4e12));
  EXPECT_DOUBLE_EQ(run.least.value, 10.0);
  EXPECT_DOUBLE_EQ(run.expected.value, 20.0);
}

}  // namespace
}  // namespace fathom::plan
