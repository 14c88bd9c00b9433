// Phases and steps.
#include "base/check.h"
#include "engine/schedule/test_scheduler.h"

namespace fathom::engine {
namespace {

TEST_F(SchedulerTest, ARequestGoesThroughItsPhases) {
  EXPECT_FALSE(scheduler_.has_work());
  const RequestId id = submit(700);
  EXPECT_EQ(scheduler_.phase(id), Phase::kWaiting);
  ASSERT_EQ(scheduler_.next_to_start(0)->id, id);
  EXPECT_EQ(scheduler_.next_to_start(0)->tokens_to_hold, 700);
  EXPECT_FALSE(scheduler_.next_to_start(0)->reserve);
  scheduler_.start(id, 64, 1);
  EXPECT_EQ(scheduler_.phase(id), Phase::kPrefill);
  EXPECT_EQ(scheduler_.next_to_start(1), std::nullopt);

  const StepPlan* plan = &scheduler_.plan_step(1);
  EXPECT_TRUE(plan->decoding.empty());
  ASSERT_EQ(plan->chunk.size(), 1u);
  EXPECT_EQ(plan->chunk[0].begin, 64);
  EXPECT_EQ(plan->chunk[0].tokens, 512);
  EXPECT_FALSE(plan->chunk[0].last);
  EXPECT_EQ(plan->layers, 10);
  EXPECT_EQ(plan->target_s, 0);
  EXPECT_EQ(scheduler_.after_layers(10, 0.06, 1.06).size(), 1u);

  plan = &scheduler_.plan_step(1.06);
  EXPECT_EQ(plan->chunk[0].begin, 576);
  EXPECT_EQ(plan->chunk[0].tokens, 124);
  EXPECT_TRUE(plan->chunk[0].last);
  scheduler_.after_layers(10, 0.02, 1.08);
  EXPECT_EQ(scheduler_.phase(id), Phase::kDecode);
  scheduler_.decoded(id, 1);
  EXPECT_EQ(scheduler_.total_tokens(id), 701);

  plan = &scheduler_.plan_step(1.08);
  ASSERT_EQ(plan->decoding.size(), 1u);
  EXPECT_TRUE(plan->chunk.empty());
  EXPECT_FALSE(scheduler_.run_another_layer(0, 0));
  EXPECT_EQ(scheduler_.last_step_s(), 1.08);
  EXPECT_TRUE(scheduler_.finish(id));
  EXPECT_EQ(scheduler_.phase(id), std::nullopt);
  EXPECT_FALSE(scheduler_.finish(id));
  EXPECT_FALSE(scheduler_.has_work());
  EXPECT_EQ(scheduler_.counters().finished, 1u);
}

TEST_F(SchedulerTest, AnIdThatLeftNamesNobodyThoughItsSlotIsUsedAgain) {
  const RequestId first = submit(10);
  EXPECT_TRUE(scheduler_.cancel(first));
  const RequestId second = submit(10);
  EXPECT_EQ(second.slot, first.slot);
  EXPECT_FALSE(scheduler_.cancel(first));
  EXPECT_EQ(scheduler_.phase(first), std::nullopt);
  scheduler_.set_blocked(first, true, 0);
  EXPECT_EQ(scheduler_.next_to_start(0)->id, second);
  EXPECT_EQ(scheduler_.phase(RequestId{}), std::nullopt);
  EXPECT_EQ(scheduler_.phase(RequestId{99, 1}), std::nullopt);
}

TEST_F(SchedulerTest, AChunkWaitsForArrivalsBetweenLayersAndGoesOn) {
  const RequestId id = start(100);
  scheduler_.plan_step(0);
  EXPECT_TRUE(scheduler_.run_another_layer(0, 0));
  EXPECT_TRUE(scheduler_.run_another_layer(0, 3));
  EXPECT_TRUE(scheduler_.after_layers(4, 0.01, 0.01).empty());
  start(50, {}, 0.01);
  const StepPlan& plan = scheduler_.plan_step(0.01);
  EXPECT_EQ(plan.first_layer, 4);
  EXPECT_EQ(plan.layers, 6);
  ASSERT_EQ(plan.chunk.size(), 1u) << "a chunk under way takes nobody in";
  EXPECT_EQ(plan.chunk[0].id, id);
  EXPECT_FALSE(scheduler_.run_another_layer(0, 6));
}

TEST_F(SchedulerTest, ACancelTakesOneRequestOutOfTheChunkUnderWay) {
  const RequestId a = start(100), b = start(50);
  scheduler_.plan_step(0);
  scheduler_.after_layers(4, 0.01, 0);
  EXPECT_TRUE(scheduler_.cancel(a));
  const StepPlan* plan = &scheduler_.plan_step(0);
  ASSERT_EQ(plan->chunk.size(), 1u);
  EXPECT_EQ(plan->chunk[0].id, b);
  EXPECT_EQ(plan->first_layer, 4);
  EXPECT_TRUE(scheduler_.cancel(b));
  EXPECT_FALSE(scheduler_.run_another_layer(0, 0));
  plan = &scheduler_.plan_step(0);
  EXPECT_TRUE(plan->chunk.empty());
  const RequestId c = start(10);
  plan = &scheduler_.plan_step(0);
  EXPECT_EQ(plan->first_layer, 0) << "another chunk begins at the first layer";
  EXPECT_EQ(plan->chunk[0].id, c);
  EXPECT_EQ(scheduler_.counters().cancelled[static_cast<size_t>(Phase::kPrefill)], 2u);
}

TEST_F(SchedulerTest, FinishingWhileTheCompletedAreVisitedIsSafe) {
  for (int i = 0; i < 4; ++i) start(20);
  scheduler_.plan_step(0);
  int finished = 0;
  for (const ChunkItem& item : scheduler_.after_layers(10, 0.01, 0)) {
    finished += scheduler_.finish(item.id);
  }
  EXPECT_EQ(finished, 4);
}

TEST_F(SchedulerTest, BesideDecodingASliceOfLayersFitsTheBudget) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  const StepPlan& plan = scheduler_.plan_step(0);
  ASSERT_EQ(plan.decoding.size(), 1u);
  EXPECT_EQ(plan.chunk[0].tokens, 512);
  EXPECT_DOUBLE_EQ(plan.target_s, 0.1);
  // 11 ms of decoding earn 33: five layers of 6.12 ms.
  EXPECT_EQ(plan.layers, 5);
  scheduler_.after_decode(1, 11, 0.011);
  i64 layers = 0;
  while (scheduler_.run_another_layer(0.00612 * static_cast<double>(layers), layers)) ++layers;
  EXPECT_EQ(layers, 5);
  scheduler_.after_layers(layers, 0.0306, 0.05);
  EXPECT_EQ(scheduler_.plan_step(0.05).first_layer, 5);
}

TEST_F(SchedulerTest, ALongLayerPausesForThoseWhoDecode) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  EXPECT_FALSE(scheduler_.slice_is_over(9)) << "nobody has decoded";
  // Each pass earns 33 ms.
  scheduler_.after_decode(1, 11, 0.011);
  EXPECT_FALSE(scheduler_.slice_is_over(0.032));
  EXPECT_TRUE(scheduler_.slice_is_over(0.034));
  scheduler_.pause_layers(0.034);
  scheduler_.after_decode(1, 12, 0.011);
  EXPECT_FALSE(scheduler_.slice_is_over(0.034 + 0.031));
  EXPECT_TRUE(scheduler_.slice_is_over(0.034 + 0.033));
  EXPECT_FALSE(scheduler_.run_another_layer(0.062, 1)) << "no room up to where it can pause";
  scheduler_.after_layers(1, 0.050, 0.1);
  scheduler_.plan_step(0.1);
  scheduler_.after_decode(1, 13, 0.011);
  // Of 99 ms that were earned, 50 were spent.
  EXPECT_FALSE(scheduler_.slice_is_over(0.048));
  EXPECT_TRUE(scheduler_.slice_is_over(0.050));
}

// Attention is long and pauses: it cuts no chunk.
TEST_F(SchedulerTest, ChunksBehindALongTextStayWholeWhenTheirLayersPause) {
  const auto layer = [](double pair_s) { return CostCurve({{32, 0.002}, {512, 0.02}}, pair_s); };
  Scheduler scheduler(limits_, {.decode = CostCurve({{1, 0.01}}, 0),
                                .layer = layer(1e-7),
                                .part = layer(0),
                                .draft = CostCurve({{1, 0.001}}, 0)});
  const auto start = [&](i64 prompt, i64 cached) {
    const auto id = scheduler.submit({.prompt_tokens = prompt, .max_new_tokens = 100}, 0).id;
    scheduler.start(id, cached, 0);
    return id;
  };
  const RequestId stream = start(10, 0);
  scheduler.plan_step(0);
  scheduler.after_layers(10, 0.02, 0);
  scheduler.decoded(stream, 1);
  start(40000, 32000);
  EXPECT_EQ(scheduler.plan_step(0).chunk[0].tokens, 512) << "1.7 s a layer, 20 ms a part";
  for (int i = 0; i < 40; ++i) scheduler.after_layer_part(0.2);
  scheduler.after_layers(10, 17, 0);
  EXPECT_LT(scheduler.plan_step(0).chunk[0].tokens, 512) << "as it turned out";
}

TEST_F(SchedulerTest, LayersThatTakeLongerThanExpectedAreFewer) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  scheduler_.after_decode(1, 11, 0.011);
  i64 layers = 0;
  while (scheduler_.run_another_layer(0.015 * static_cast<double>(layers), layers)) ++layers;
  EXPECT_EQ(layers, 2);
}

TEST_F(SchedulerTest, DraftsArePartOfDecoding) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  scheduler_.after_decode(1, 11, 0.011);
  scheduler_.after_drafts(1, 0.001);
  scheduler_.after_drafts(1, 0.001);
  // 13 ms earn 39: six layers of 6.12 ms.
  i64 layers = 0;
  while (scheduler_.run_another_layer(0.00612 * static_cast<double>(layers), layers)) {
    ++layers;
  }
  EXPECT_EQ(layers, 6);
}

TEST_F(SchedulerTest, IfAllThatWereToDecodeLeftTheChunkHasTheStep) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  scheduler_.preempt(stream, 0);  // no page for its next token
  EXPECT_TRUE(scheduler_.run_another_layer(0, 0));
  EXPECT_TRUE(scheduler_.run_another_layer(9, 9));
}

TEST_F(SchedulerTest, AHiccupInTheDecodePassLeavesNoTimeForLayers) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  scheduler_.after_decode(1, 11, 0.5);
  EXPECT_FALSE(scheduler_.run_another_layer(0, 0));
}

TEST_F(SchedulerTest, ChunksShrinkWhenOneLayerIsLongerThanTheTarget) {
  const CostCurve layer({{32, 0.02}, {512, 0.32}}, 0);
  Scheduler slow(limits_, {.decode = CostCurve({{1, 0.01}}, 0),
                           .layer = layer,
                           .part = layer,
                           .draft = CostCurve({{1, 0.001}}, 0)});
  const Request request{.prompt_tokens = 5000, .max_new_tokens = 10};
  const RequestId a = slow.submit(request, 0).id;
  slow.start(a, 4990, 0);
  slow.plan_step(0);
  slow.after_layers(10, 0.2, 0);
  slow.start(slow.submit(request, 0).id, 0, 0);
  EXPECT_EQ(slow.plan_step(0).chunk[0].tokens, 128);  // 80 of 90 ms
  slow.finish(a);
  EXPECT_EQ(slow.plan_step(0).chunk[0].tokens, 512) << "nobody waits for a token";
}

TEST_F(SchedulerTest, OurOwnMistakesAreNamed) {
  EXPECT_THROW(scheduler_.submit({.prompt_tokens = 0, .max_new_tokens = 1}, 0), InternalError);
  const RequestId id = submit(10);
  EXPECT_THROW(scheduler_.start(id, 10, 0), InternalError) << "no token is left to compute";
  EXPECT_THROW(scheduler_.preempt(id, 0), InternalError);
  EXPECT_THROW(scheduler_.decoded(id, 1), InternalError);
  EXPECT_THROW(scheduler_.total_tokens({7, 7}), InternalError);
  limits_.decode_share = 1;
  EXPECT_THROW(Scheduler(limits_, cost()), InternalError);
}

}  // namespace
}  // namespace fathom::engine
