#include "engine/schedule/fair_queue.h"

#include <gtest/gtest.h>

namespace fathom::engine {
namespace {

RequestId id(u32 n) { return {n, 1}; }

class FairQueueTest : public ::testing::Test {
 protected:
  void push(u32 n, TenantId tenant, TenantTerms terms = {}, int priority = 0, double now_s = 0,
            FairQueue::Place place = FairQueue::Place::kBack) {
    const Request request{
        .tenant = tenant, .terms = terms, .prompt_tokens = 100, .priority = priority};
    queue_.push(id(n), request, 1, 100, place, now_s);
  }
  /// Starts whose turn it is, charges its prompt; 0: nobody's.
  u32 start(TenantId tenant_of[], double now_s = 0) {
    const auto next = queue_.next(now_s);
    if (!next) return 0;
    queue_.start(*next);
    queue_.charge(tenant_of[next->slot], 100);
    return next->slot;
  }

  FairQueue queue_{256, 60};
};

TEST_F(FairQueueTest, FirstComeFirstServedInsideATenant) {
  TenantId tenants[] = {0, 1, 1, 1};
  for (u32 n : {1u, 2u, 3u}) push(n, 1);
  EXPECT_EQ(queue_.size(), 3);
  EXPECT_EQ(queue_.prompt_tokens(), 300);
  for (u32 n : {1u, 2u, 3u}) EXPECT_EQ(start(tenants), n);
  EXPECT_EQ(queue_.next(0), std::nullopt);
  EXPECT_EQ(queue_.prompt_tokens(), 0);
}

TEST_F(FairQueueTest, TenantsTakeTurns) {
  TenantId tenants[] = {0, 1, 1, 1, 2, 2, 3};
  for (u32 n = 1; n <= 6; ++n) push(n, tenants[n]);
  for (u32 n : {1u, 4u, 6u, 2u, 5u, 3u}) EXPECT_EQ(start(tenants), n);
}

TEST_F(FairQueueTest, WorkCountsNotRequests) {
  TenantId tenants[] = {0, 1, 1, 2, 2, 2, 2};
  for (u32 n = 1; n <= 6; ++n) push(n, tenants[n]);
  EXPECT_EQ(start(tenants), 1u);
  queue_.charge(1, 150);  // it decodes
  for (u32 n : {3u, 4u, 5u, 2u, 6u}) EXPECT_EQ(start(tenants), n);
}

TEST_F(FairQueueTest, WeightsScaleTheShare) {
  TenantId tenants[13] = {0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2};
  for (u32 n = 1; n <= 12; ++n) push(n, tenants[n], {.weight = tenants[n] == 2 ? 3. : 1.});
  int of_two = 0;
  for (int i = 0; i < 8; ++i) of_two += tenants[start(tenants)] == 2;
  EXPECT_EQ(of_two, 6);
}

TEST_F(FairQueueTest, IdlingSavesNothingUp) {
  TenantId tenants[40] = {};
  for (u32 n = 1; n < 20; ++n) push(n, tenants[n] = 1);
  for (int i = 0; i < 10; ++i) start(tenants);
  for (u32 n = 20; n < 40; ++n) push(n, tenants[n] = 2);  // new: at the level of the other
  int of_two = 0;
  for (int i = 0; i < 10; ++i) of_two += tenants[start(tenants)] == 2;
  EXPECT_EQ(of_two, 5);
}

TEST_F(FairQueueTest, WorkWhileNobodyWaitedIsNotHeldAgainstATenant) {
  TenantId tenants[] = {0, 1, 2, 1, 2, 1};
  push(1, 1);
  EXPECT_EQ(start(tenants), 1u);
  queue_.charge(1, 1'000'000);  // the machine was free
  for (u32 n : {2u, 3u, 4u, 5u}) push(n, tenants[n]);
  u32 started[4];
  for (u32& n : started) n = start(tenants);
  EXPECT_EQ(tenants[started[0]] + tenants[started[1]], 3u) << "they take turns";
}

TEST_F(FairQueueTest, LeavingWithAnEmptyQueueDoesNotWashWorkAway) {
  TenantId tenants[40] = {};
  for (u32 n = 1; n < 20; ++n) push(n, tenants[n] = 1);
  push(20, tenants[20] = 2);
  EXPECT_EQ(tenants[start(tenants)], 1u);
  EXPECT_EQ(tenants[start(tenants)], 2u);
  queue_.charge(2, 10'000);
  queue_.stopped(2, 1);
  push(21, tenants[21] = 2);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(tenants[start(tenants)], 1u);
}

TEST_F(FairQueueTest, APreemptedRequestIsTheNextOfItsTenant) {
  TenantId tenants[] = {0, 1, 1, 1};
  for (u32 n : {1u, 2u}) push(n, 1);
  push(3, 1, {}, 0, 0, FairQueue::Place::kHead);
  EXPECT_EQ(start(tenants), 3u);
}

TEST_F(FairQueueTest, MaxParallelLetsOthersPass) {
  TenantId tenants[] = {0, 1, 1, 2};
  push(1, 1, {.max_parallel = 1});
  push(2, 1, {.max_parallel = 1});
  push(3, 2);
  EXPECT_EQ(start(tenants), 1u);
  EXPECT_EQ(start(tenants), 3u);
  EXPECT_EQ(start(tenants), 0u);
  queue_.stopped(1, 1);
  EXPECT_EQ(start(tenants), 2u);
}

TEST_F(FairQueueTest, UrgentGoesFirstButNotForEver) {
  push(1, 1, {}, 5);
  push(2, 1, {}, -3);
  push(3, 2, {}, -3, 61);
  EXPECT_EQ(queue_.next(30)->slot, 2u);
  queue_.start(id(2));
  queue_.charge(1, 0);
  EXPECT_EQ(queue_.next(59)->slot, 3u);
  EXPECT_EQ(queue_.next(61)->slot, 3u) << "equally urgent, and tenant 1 had its turn";
  queue_.start(id(3));
  queue_.charge(2, 100);
  push(4, 2, {}, -3, 61);
  EXPECT_EQ(queue_.next(59)->slot, 4u);
  EXPECT_EQ(queue_.next(61)->slot, 1u);
}

TEST_F(FairQueueTest, ABlockedRequestIsPassedOver) {
  TenantId tenants[] = {0, 1, 1};
  push(1, 1);
  push(2, 1);
  queue_.set_blocked(id(1), true);
  EXPECT_EQ(queue_.next(0)->slot, 2u);
  queue_.set_blocked(id(1), false);
  EXPECT_EQ(start(tenants), 1u);
  queue_.set_blocked(id(1), true);  // not here any more
}

TEST_F(FairQueueTest, ErasedRequestsLeaveNothingBehind) {
  push(1, 1);
  push(2, 2);
  EXPECT_TRUE(queue_.erase(id(1)));
  EXPECT_FALSE(queue_.erase(id(1)));
  EXPECT_EQ(queue_.waiting_of(1), 0);
  EXPECT_EQ(queue_.prompt_tokens(), 100);
}

TEST_F(FairQueueTest, TenantsThatLeftAreForgotten) {
  TenantId tenants[200] = {};
  for (u32 n = 1; n < 200; ++n) {
    push(n, tenants[n] = n);
    start(tenants);
    queue_.stopped(n, 1);
  }
  EXPECT_LE(queue_.num_tenants(), 2);
}

TEST_F(FairQueueTest, WhatIsAheadIsTheOwnQueueTimesTheOthersShares) {
  for (u32 n = 1; n <= 50; ++n) push(n, 1);
  EXPECT_EQ(queue_.ahead_of(1, 1).requests, 50);
  EXPECT_EQ(queue_.ahead_of(2, 1).requests, 0) << "it has the next turn";
  push(51, 2);
  EXPECT_EQ(queue_.ahead_of(2, 1).requests, 2);
  EXPECT_EQ(queue_.ahead_of(2, 1).prompt_tokens, 200);
  EXPECT_EQ(queue_.ahead_of(1, 1).requests, 51) << "never more than waits";
}

}  // namespace
}  // namespace fathom::engine
