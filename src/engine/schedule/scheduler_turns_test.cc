// Admission, turns, preemption and ends.
#include <utility>

#include "base/check.h"
#include "engine/schedule/test_scheduler.h"

namespace fathom::engine {
namespace {

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

// A burst that has rows for all waits for prompts alone, not for one another's answers.
TEST_F(SchedulerTest, ABurstThatFitsTheRowsIsNotRefusedForItsAnswers) {
  limits_.max_queue_s = 60;
  const CostCurve slow({{1, 0.5}, {64, 2.0}}, 0);
  const CostCurve fast({{1, 0.001}, {512, 0.01}}, 0);
  Scheduler scheduler(limits_, {.decode = slow, .layer = fast, .part = fast, .draft = slow});
  const Request request{.prompt_tokens = 64, .max_new_tokens = 100'000};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(scheduler.submit(request, 0).outcome, AdmissionOutcome::kAccepted) << i;
  }
  EXPECT_EQ(scheduler.submit(request, 0).outcome, AdmissionOutcome::kWaitTooLong)
      << "for this one another has to end first";
}

TEST_F(SchedulerTest, ADeferredPromptIsInNoChunkUntilItResumesWithWhatItFound) {
  const RequestId leader = start(700), follower = start(700);
  scheduler_.defer(follower);
  ASSERT_EQ(scheduler_.plan_step(0).chunk.size(), 1u);
  EXPECT_EQ(scheduler_.chunk()[0].id, leader);
  run_chunk(1);
  ASSERT_EQ(scheduler_.plan_step(1).chunk.size(), 1u) << "though there is room for it";
  run_chunk(1);
  scheduler_.resume(follower, 512, 2);
  const StepPlan& plan = scheduler_.plan_step(2);
  ASSERT_EQ(plan.chunk.size(), 1u);
  EXPECT_EQ(plan.chunk[0].id, follower);
  EXPECT_EQ(plan.chunk[0].begin, 512);
  EXPECT_EQ(plan.chunk[0].tokens, 188);
  EXPECT_THROW(scheduler_.defer(leader), InternalError) << "it has been computed";
}

// Work that was shared is paid once: the next turn is that of whoever has had less.
TEST_F(SchedulerTest, ADeferredPromptPaysForWhatItComputesAlone) {
  const RequestId whole = submit(1000, {.tenant = 1}), shared = submit(1200, {.tenant = 2});
  submit(10, {.tenant = 1});
  const RequestId of_two = submit(10, {.tenant = 2});
  for (const RequestId id : {whole, shared}) scheduler_.start(id, 0, 0);
  scheduler_.defer(shared);
  scheduler_.resume(shared, 900, 0);
  EXPECT_EQ(scheduler_.next_to_start(0)->id, of_two);
}

}  // namespace
}  // namespace fathom::engine
