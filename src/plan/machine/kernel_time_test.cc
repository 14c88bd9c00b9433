#include "plan/machine/kernel_time.h"

#include "plan/inference/serving_plan.h"
#include "plan/layout/stages.h"
#include "plan/test_models.h"

namespace fathom::plan {
namespace {

TEST(FewRows, TilesAreThoseThatDeepGemmChooses) {
  const Cluster h800 = shipped_cluster("h800");
  const auto waves = [&](i64 m, i64 n, i64 k) {
    return few_rows_gemm_time(h800, {m, n, k}, Precision::kFp8, 132).waves;
  };
  EXPECT_EQ(waves(64, 2112, 7168), 1);   // 132 tiles of 16 columns
  EXPECT_EQ(waves(64, 2128, 7168), 1);   // 133 of 16 are one too many: 89 of 24
  EXPECT_EQ(waves(64, 24576, 1536), 2);  // 256 of 96
  EXPECT_EQ(waves(65, 7168, 2048), 1);
  EXPECT_EQ(waves(129, 24576, 1536), 3);  // two rows of tiles of 128 columns, 384
}

/// By hand: 64 x 16, K = 7168. Shared memory gives 80 rows of 128 bytes in 80 cycles, longer than
/// the tensor cores' 32; 8 cycles of promotion; and what 0.424 us have beyond 512 + 128 cycles.
TEST(FewRows, NarrowStepDoesNotShrinkWithItsArea) {
  const Cluster h800 = shipped_cluster("h800");
  const GemmTime time = few_rows_gemm_time(h800, {64, 2112, 7168}, Precision::kFp8, 132);
  const double cycle = 1e-3 / 1.83;  // us
  const double products = 2.0 * 128 * 128 * 128 / (1979e12 / 132) * 1e6;
  const double step = 88 * cycle + (0.424 - products - 128 * cycle);
  EXPECT_NEAR(time.total.value * 1e6, 1.69 + 56 * step, 1e-6);
  EXPECT_LT(time.memory, time.total);
}

TEST(FewRows, WithoutPromotionAWideTileIsAsFastAndANarrowOneWaitsLonger) {
  const Cluster with = shipped_cluster("h800");
  const Cluster without = shipped_cluster("h800", {"gemm.promotion=false"});
  const auto total = [](const Cluster& cluster, const GemmShape& shape) {
    return few_rows_gemm_time(cluster, shape, Precision::kFp8, 132).total.value;
  };
  // block_us is measured: what is not promotion is waiting.
  EXPECT_NEAR(total(with, {16896, 128, 7168}), total(without, {16896, 128, 7168}), 1e-12);
  EXPECT_LT(total(with, {64, 2112, 7168}), total(without, {64, 2112, 7168}));
}

TEST(FewRows, Bf16CutsKWhereTilesAreFewerThanSms) {
  const Cluster h800 = shipped_cluster("h800");
  EXPECT_EQ(few_rows_gemm_time(h800, {256, 256, 7168}, Precision::kFp8, 132).blocks, 56);
  EXPECT_EQ(few_rows_gemm_time(h800, {256, 256, 7168}, Precision::kBf16, 132).blocks, 14);
  EXPECT_EQ(few_rows_gemm_time(h800, {64, 129280, 7168}, Precision::kBf16, 132).blocks, 56);
}

TEST(FewRows, OfNothingTakeNothing) {
  const Cluster h800 = shipped_cluster("h800");
  for (const Precision precision : {Precision::kFp8, Precision::kBf16}) {
    EXPECT_EQ(few_rows_gemm_time(h800, {64, 0, 7168}, precision, 132).total.value, 0.0);
  }
  EXPECT_GT(plan_decode(h800, llama_405b(), {.ranks = 1}, 8, 1024).step.value, 0.0);
}

TEST(FewRows, MoreBandwidthSmsOrClockNeverCost) {
  for (const GemmShape& shape : {GemmShape{64, 2112, 7168}, GemmShape{128, 7168, 16384},
                                 GemmShape{40, 4096, 7168, 8}, GemmShape{512, 256, 7168}}) {
    for (const Precision precision : {Precision::kFp8, Precision::kBf16}) {
      const auto total = [&](std::vector<std::string> edits) {
        return few_rows_gemm_time(shipped_cluster("h800", edits), shape, precision, 132)
            .total.value;
      };
      const double base = total({});
      EXPECT_LE(total({"gpu.memory_gb_s=4800"}), base);
      EXPECT_LE(total({"gemm.fp8_block_us=0.30", "gemm.bf16_block_us=0.6"}), base);
      EXPECT_LE(total({"scale.gemm=0.8"}), base);
    }
  }
}

TEST(DirectExchange, WithoutATableRowsGoOverNvlinkOrTheCard) {
  const Cluster near = shipped_cluster("gb200-nvl72");
  const ModelConfig v3 = shipped_model("deepseek-v3");
  const LowLatency e = low_latency_exchange(near, v3, 48, 100);
  EXPECT_NEAR(e.dispatch.value, 2 * 3.7e-6 + 100 * 8 * (7168 + 56 * 4) / 720e9, 1e-12);
  EXPECT_NEAR(e.combine.value, 2 * 3.7e-6 + 100 * 8 * 7168 * 2 / 720e9, 1e-12);
  EXPECT_NEAR(low_latency_exchange(near, v3, 128, 100).combine.value,
              2 * 3.7e-6 + 100 * 8 * 7168 * 2 / 50e9, 1e-12);
}

/// Of a stage's first layer of experts on GB200, in pairs.
LayerTimes expert_layer(const Layout& layout, const std::vector<std::string>& edits) {
  const auto stages = make_stages(shipped_cluster("gb200-nvl72", edits),
                                  shipped_model("deepseek-v3"), layout, 4096);
  return stages[5].times[0];
}

TEST(SmsOfExchanges, AreTakenWhileAnExchangeRunsOrKeptFree) {
  Layout layout{.gpus = 256,
                .pipeline_ranks = 4,
                .chunks_per_rank = 4,
                .expert_ranks = 64,
                .schedule = ScheduleKind::kInterleaved,
                .overlap = Overlap::kAllPairs};
  const LayerTimes none = expert_layer(layout, {"sm_for_comm=0"});
  const LayerTimes taken = expert_layer(layout, {"sm_for_comm=37"});
  EXPECT_GT(none.exchange().value, 0.0);
  EXPECT_NEAR((taken.compute() - none.compute()).value, none.exchange().value * 37 / 148, 1e-9);
  EXPECT_GT(expert_layer(layout, {"sm_for_comm=37", "sm_kept=true"}).compute(), taken.compute());
  Layout one_chunk = layout;
  one_chunk.chunks_per_rank = 1;
  EXPECT_TRUE(layout.has_pairs());
  EXPECT_FALSE(one_chunk.has_pairs());
  layout.overlap = Overlap::kPairs;  // of the schedule itself: it has none
  EXPECT_FALSE(layout.has_pairs());
  // Nothing is beside an exchange that is waited for.
  layout.overlap = Overlap::kAlone;
  EXPECT_EQ(expert_layer(layout, {"sm_for_comm=37"}).compute(),
            expert_layer(layout, {"sm_for_comm=0"}).compute());
}

TEST(Imbalance, EveryoneWaitsForTheBusiest) {
  const Cluster h800 = shipped_cluster("h800");
  const ModelConfig v3 = shipped_model("deepseek-v3");
  const auto prefill = [&](double imbalance) {
    return plan_prefill(h800, v3, {.ranks = 32, .imbalance = imbalance}, 8192, 4096);
  };
  EXPECT_NEAR(prefill(1.5).exchange / prefill(1.0).exchange, 1.5, 1e-12);
  const double more = (prefill(1.5).compute - prefill(1.0).compute) / prefill(1.0).compute;
  EXPECT_GT(more, 0.10);  // of the experts' rows: products, casts, SwiGLU, permutes
  EXPECT_LT(more, 0.35);
}

}  // namespace
}  // namespace fathom::plan
