#include "engine/schedule/scheduler.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/check.h"

namespace fathom::engine {
namespace {

/// Decode passes take 10 ms and 1 ms a row, a layer 1 ms and 10 us a token.
CostModel cost() {
  return {CostCurve({{1, 0.011}, {64, 0.074}}, 0), CostCurve({{1, 0.00101}, {512, 0.00612}}, 0),
          CostCurve({{1, 0.001}}, 0)};
}

class SchedulerTest : public ::testing::Test {
 protected:
  RequestId submit(i64 prompt, Request request = {}, double now_s = 0) {
    request.prompt_tokens = prompt;
    if (request.max_new_tokens == 0) request.max_new_tokens = 100;
    const Admission admission = scheduler_.submit(request, now_s);
    EXPECT_EQ(admission.outcome, AdmissionOutcome::kAccepted);
    return admission.id;
  }
  RequestId start(i64 prompt, Request request = {}, double now_s = 0) {
    const RequestId id = submit(prompt, request, now_s);
    scheduler_.start(scheduler_.next_to_start(now_s)->id, 0, now_s);
    return id;
  }
  /// All layers of the chunk, at once.
  void run_chunk(double now_s = 0) {
    const StepPlan& plan = scheduler_.plan_step(now_s);
    scheduler_.after_layers(10 - plan.first_layer, 0.01, now_s);
  }

  SchedulerLimits limits_{.num_layers = 10, .max_running = 8};
  Scheduler scheduler_{limits_, cost()};
};

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
  while (scheduler_.run_another_layer(0.011 + 0.00612 * static_cast<double>(layers), layers))
    ++layers;
  EXPECT_EQ(layers, 5);
  scheduler_.after_layers(layers, 0.0306, 0.05);
  EXPECT_EQ(scheduler_.plan_step(0.05).first_layer, 5);
}

TEST_F(SchedulerTest, LayersThatTakeLongerThanExpectedAreFewer) {
  const RequestId stream = start(10);
  run_chunk();
  scheduler_.decoded(stream, 1);
  start(5000);
  scheduler_.plan_step(0);
  scheduler_.after_decode(1, 11, 0.011);
  i64 layers = 0;
  while (scheduler_.run_another_layer(0.011 + 0.015 * static_cast<double>(layers), layers))
    ++layers;
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
  while (scheduler_.run_another_layer(0.013 + 0.00612 * static_cast<double>(layers), layers)) {
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
  EXPECT_FALSE(scheduler_.run_another_layer(0.5, 0));
}

TEST_F(SchedulerTest, ChunksShrinkWhenOneLayerIsLongerThanTheTarget) {
  Scheduler slow(limits_, {CostCurve({{1, 0.01}}, 0), CostCurve({{32, 0.02}, {512, 0.32}}, 0),
                           CostCurve({{1, 0.001}}, 0)});
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

TEST_F(SchedulerTest, EachPreemptionAsksForMoreAndTheLastForAll) {
  const RequestId id = start(100, {.max_new_tokens = 90});
  for (const auto& [tokens, reserve] : {std::pair{130, false}, {160, false}, {190, true}}) {
    scheduler_.preempt(id, 0);
    EXPECT_EQ(scheduler_.phase(id), Phase::kWaiting);
    ASSERT_EQ(scheduler_.next_to_start(0)->id, id);
    EXPECT_EQ(scheduler_.next_to_start(0)->tokens_to_hold, tokens);
    EXPECT_EQ(scheduler_.next_to_start(0)->reserve, reserve);
    scheduler_.start(id, 0, 0);
  }
  EXPECT_EQ(scheduler_.victim(), std::nullopt) << "never again";
  EXPECT_EQ(scheduler_.counters().preemptions, 3u);
}

TEST_F(SchedulerTest, WhatWasGeneratedIsPartOfThePromptAfterAPreemption) {
  const RequestId id = start(100);
  run_chunk();
  scheduler_.decoded(id, 7);
  scheduler_.preempt(id, 0);
  scheduler_.start(id, 64, 0);
  const StepPlan& plan = scheduler_.plan_step(0);
  EXPECT_EQ(plan.chunk[0].begin, 64);
  EXPECT_EQ(plan.chunk[0].tokens, 43);
  EXPECT_TRUE(plan.chunk[0].last);
}

TEST_F(SchedulerTest, TheVictimIsTheLeastUrgentThenTheBlockedThenTheLeastWork) {
  EXPECT_EQ(scheduler_.victim(), std::nullopt);
  const RequestId long_one = start(300), urgent = start(20, {.priority = -1});
  const RequestId short_one = start(20), newest = start(20);
  run_chunk();
  EXPECT_EQ(scheduler_.victim(), newest) << "as much work as the one before it";
  scheduler_.decoded(newest, 1);
  EXPECT_EQ(scheduler_.victim(), short_one);
  scheduler_.set_blocked(long_one, true, 0);
  EXPECT_EQ(scheduler_.victim(), long_one);
  const RequestId background = start(500, {.priority = 5});
  EXPECT_EQ(scheduler_.victim(), background);
  for (const RequestId id : {background, long_one, short_one, newest}) scheduler_.cancel(id);
  EXPECT_EQ(scheduler_.victim(), urgent);
}

TEST_F(SchedulerTest, ABlockedRequestIsNotScheduledAndExpires) {
  const RequestId id = start(10), other = start(10);
  run_chunk();
  scheduler_.set_blocked(id, true, 5);
  scheduler_.set_blocked(id, true, 20);  // it is already
  const StepPlan& plan = scheduler_.plan_step(5);
  ASSERT_EQ(plan.decoding.size(), 1u);
  EXPECT_EQ(plan.decoding[0], other);
  EXPECT_EQ(scheduler_.next_expiry_s(), 35);
  EXPECT_TRUE(scheduler_.expired(34.9).empty());
  ASSERT_EQ(scheduler_.expired(35).size(), 1u);
  EXPECT_EQ(scheduler_.expired(35)[0].id, id);
  EXPECT_EQ(scheduler_.expired(35)[0].reason, ExpiredReason::kSlowReader);
  scheduler_.set_blocked(id, false, 35);
  EXPECT_EQ(scheduler_.next_expiry_s(), 3600);
  EXPECT_EQ(scheduler_.plan_step(35).decoding.size(), 2u);
  ASSERT_EQ(scheduler_.expired(3600).size(), 2u);
  EXPECT_EQ(scheduler_.expired(3600)[0].reason, ExpiredReason::kWallClock);
}

TEST_F(SchedulerTest, APreemptedBlockedRequestDoesNotComeBackBeforeItIsRead) {
  const RequestId id = start(10);
  scheduler_.set_blocked(id, true, 0);
  scheduler_.preempt(id, 0);
  EXPECT_EQ(scheduler_.next_to_start(0), std::nullopt);
  scheduler_.set_blocked(id, false, 1);
  EXPECT_EQ(scheduler_.next_to_start(1)->id, id);
}

TEST_F(SchedulerTest, ContinuationsOfOnePromptTakeTheirRowsTogether) {
  start(10, {.sequences = 3});
  const RequestId many = submit(10, {.sequences = 6});
  EXPECT_EQ(scheduler_.next_to_start(0), std::nullopt) << "eight rows";
  EXPECT_TRUE(scheduler_.cancel(many));
  const RequestId five = start(10, {.sequences = 5});
  run_chunk();
  for (int i = 0; i < 4; ++i) scheduler_.fork(five, 0);
  EXPECT_THROW(scheduler_.fork(five, 0), InternalError);
  EXPECT_EQ(scheduler_.plan_step(0).decoding.size(), 6u);
  submit(10);
  EXPECT_EQ(scheduler_.next_to_start(0), std::nullopt);
  EXPECT_TRUE(scheduler_.finish(five));
  EXPECT_NE(scheduler_.next_to_start(0), std::nullopt);
}

TEST_F(SchedulerTest, TheQueueIsBoundedInPromptTokensAndForEachTenant) {
  limits_.max_waiting_prompt_tokens = 1000;
  Scheduler bounded(limits_, cost());
  const auto outcome = [&](i64 prompt, TenantTerms terms = {}) {
    return bounded.submit({.terms = terms, .prompt_tokens = prompt, .max_new_tokens = 1}, 0)
        .outcome;
  };
  EXPECT_EQ(outcome(600), AdmissionOutcome::kAccepted);
  EXPECT_EQ(outcome(401), AdmissionOutcome::kQueueFull);
  EXPECT_EQ(outcome(400, {.max_waiting = 1}), AdmissionOutcome::kQueueFull);
  EXPECT_EQ(outcome(400, {.max_waiting = 2}), AdmissionOutcome::kAccepted);
  EXPECT_EQ(bounded.counters().refused, 2u);
}

TEST_F(SchedulerTest, ALongWaitIsRefusedAtOnceAndSaysHowLong) {
  limits_.max_running = 1;
  limits_.max_queue_s = 60;
  Scheduler one(limits_, cost());
  const Request request{.tenant = 1, .prompt_tokens = 1000, .max_new_tokens = 1000};
  EXPECT_EQ(one.estimated_wait_s(request), 0);
  one.start(one.submit(request, 0).id, 0, 0);
  // Each takes about 0.12 s of prefill and 256 passes of 11 ms.
  Admission last;
  int accepted = 0;
  while ((last = one.submit(request, 0)).outcome == AdmissionOutcome::kAccepted) ++accepted;
  EXPECT_EQ(last.outcome, AdmissionOutcome::kWaitTooLong);
  EXPECT_NEAR(last.retry_after_s, 60, 4);
  EXPECT_NEAR(accepted, 60 / 2.9, 3);
  Request other = request;
  other.tenant = 2;
  EXPECT_EQ(one.submit(other, 0).outcome, AdmissionOutcome::kAccepted) << "its turn comes sooner";
}

TEST_F(SchedulerTest, ACancelledPromptIsChargedForWhatWasComputed) {
  // Tenant 1 cancels a long prompt; then it is as far as tenant 2, not 5000 tokens behind.
  const RequestId dropped = submit(5000, {.tenant = 1}), other = submit(600, {.tenant = 2});
  const RequestId of_two = submit(10, {.tenant = 2}), of_one = submit(10, {.tenant = 1});
  for (const RequestId id : {dropped, other}) {
    ASSERT_EQ(scheduler_.next_to_start(0)->id, id);
    scheduler_.start(id, 0, 0);
  }
  EXPECT_EQ(scheduler_.next_to_start(0)->id, of_two);
  scheduler_.cancel(dropped);
  EXPECT_EQ(scheduler_.next_to_start(0)->id, of_one);
}

TEST_F(SchedulerTest, APreemptedPromptIsPaidOnce) {
  const RequestId again = submit(1000, {.tenant = 1}), other = submit(1200, {.tenant = 2});
  const RequestId of_one = submit(10, {.tenant = 1}), of_two = submit(10, {.tenant = 2});
  for (const RequestId id : {again, other}) scheduler_.start(id, 0, 0);
  scheduler_.preempt(again, 0);
  scheduler_.start(again, 0, 0);
  EXPECT_EQ(scheduler_.next_to_start(0)->id, of_one);
  scheduler_.start(of_one, 0, 0);
  EXPECT_EQ(scheduler_.next_to_start(0)->id, of_two);
}

TEST_F(SchedulerTest, WorkThatAPreemptionLostProtectsNobody) {
  const RequestId again = start(400);
  run_chunk();
  scheduler_.preempt(again, 0);
  scheduler_.start(again, 399, 0);
  start(20);
  run_chunk();
  EXPECT_EQ(scheduler_.victim(), again) << "one token to do again, not 401";
}

TEST_F(SchedulerTest, ABlockedPromptIsNotReadFurther) {
  const RequestId blocked = start(100), other = start(200);
  scheduler_.set_blocked(blocked, true, 0);
  const StepPlan& plan = scheduler_.plan_step(0);
  ASSERT_EQ(plan.chunk.size(), 1u);
  EXPECT_EQ(plan.chunk[0].id, other);
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
