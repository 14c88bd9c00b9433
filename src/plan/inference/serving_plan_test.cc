#include "plan/inference/serving_plan.h"

#include <gtest/gtest.h>

#include <cmath>

#include "plan/inference/traffic.h"
#include "plan/test_models.h"

namespace fathom::plan {
namespace {

const ServingSetting kDecode = {.ranks = 144, .redundant_experts = 32};

TEST(ServingMemoryTest, OfARankOfDeepSeeksDecoding) {
  const ServingMemory m =
      serving_memory(shipped_cluster("h800"), shipped_model("deepseek-v3"), kDecode);
  // Attention 11.4, shared 2.6, two routed 5.1, dense 1.2, embedding and head 3.7 GB.
  EXPECT_NEAR(m.weights.value / 1e9, 24.1, 0.3);
  EXPECT_EQ(m.cache_a_token.value, 70272);
  EXPECT_NEAR(m.cached_tokens().value, 0.75 * (80e9 - m.weights.value) / 70272, 1.0);
}

TEST(DecodeTest, MoreRequestsTakeLongerAndGiveMore) {
  const Cluster h800 = shipped_cluster("h800");
  const ModelConfig config = shipped_model("deepseek-v3");
  double step = 0.0, rate = 0.0;
  for (const double batch : {1.0, 8.0, 32.0, 64.0, 128.0}) {
    const DecodePlan plan = plan_decode(h800, config, kDecode, batch, 4989);
    EXPECT_GE(plan.step.value, step);
    EXPECT_GT(plan.rate().value, rate);
    step = plan.step.value;
    rate = plan.rate().value;
  }
}

TEST(DecodeTest, UnevenExpertsLongContextsAndWaitingCost) {
  const Cluster h800 = shipped_cluster("h800");
  const ModelConfig config = shipped_model("deepseek-v3");
  ServingSetting uneven = kDecode, waiting = kDecode;
  uneven.imbalance = 3.0;
  waiting.two_micro_batches = false;
  const Seconds even = plan_decode(h800, config, kDecode, 256, 4989).step;
  EXPECT_GT(plan_decode(h800, config, uneven, 256, 4989).step, even);
  EXPECT_GT(plan_decode(h800, config, waiting, 256, 4989).step, even);
  EXPECT_GT(plan_decode(h800, config, kDecode, 256, 10000).step, even);
}

TEST(DecodeTest, TheBestBatchFitsInMemoryAndInTime) {
  const Cluster h800 = shipped_cluster("h800");
  const ModelConfig config = shipped_model("deepseek-v3");
  const DecodePlan best = best_decode(h800, config, kDecode, 4989, Seconds(0.04));
  EXPECT_TRUE(best.fits);
  EXPECT_LE(best.step.value, 0.04);
  EXPECT_GT(plan_decode(h800, config, kDecode, best.batch + 1, 4989).step.value, 0.04);
  EXPECT_EQ(best_decode(h800, config, kDecode, 4989, Seconds(0.001)).batch, 0.0);
  const DecodePlan full = best_decode(h800, config, kDecode, 100e3, Seconds(10.0));
  EXPECT_FALSE(plan_decode(h800, config, kDecode, full.batch + 1, 100e3).fits);
}

TEST(PrefillTest, ExchangeHidesBehindCompute) {
  const PrefillPlan plan = plan_prefill(shipped_cluster("h800"), shipped_model("deepseek-v3"),
                                        {.ranks = 32}, 8192, 4096);
  EXPECT_EQ(plan.time, plan.compute);
  // 58 layers of 143 MB and 277 MB over a card of 50 GB/s.
  EXPECT_NEAR(plan.exchange.value, 58 * (2.86e-3 + 5.54e-3), 0.01);
}

TEST(PrefillTest, ADenseModelKeepsAllItsSms) {
  const Cluster h800 = shipped_cluster("h800");
  const PrefillPlan one = plan_prefill(h800, deepseek_67b(), {.ranks = 1}, 4096, 4096);
  EXPECT_EQ(plan_prefill(h800, deepseek_67b(), {.ranks = 8}, 4096, 4096).time, one.time);
}

TEST(QueueTest, WaitsGrowWithoutBound) {
  const Seconds service(1.0);
  EXPECT_EQ(queue_wait(1, 0.0, service).value, 0.0);
  EXPECT_DOUBLE_EQ(queue_wait(1, 0.5, service).value, 0.5);  // M/D/1: u / (2 (1 - u))
  EXPECT_LT(queue_wait(8, 0.5, service), queue_wait(1, 0.5, service));
  EXPECT_TRUE(std::isinf(queue_wait(4, 1.0, service).value));
}

}  // namespace
}  // namespace fathom::plan
