// A step of a full batch allocates nothing: planning, estimates, draft lengths, whose turn it is.
#include "engine/schedule/draft_length.h"
#include "engine/schedule/scheduler.h"
#include "testing/count_allocations.h"

namespace fathom::engine {
namespace {

using SchedulingAllocation = testing::CountsAllocations;

TEST_F(SchedulingAllocation, AStepOf64SequencesAllocatesNothing) {
  const CostCurve curve({{1, 0.01}, {64, 0.05}}, 1e-9);
  Scheduler scheduler({.num_layers = 4, .max_waiting = 32}, {curve, curve, curve, curve});
  const Request request{.prompt_tokens = 700, .max_new_tokens = 1'000'000};
  for (int i = 0; i < 96; ++i) {
    scheduler.submit(request, 0);
    if (const auto turn = scheduler.next_to_start(0)) scheduler.start(turn->id, 0, 0);
  }
  DraftLength policy(3);
  std::vector<DraftHistory> histories(64, policy.begin());
  std::vector<DraftLength::Sequence> batch;
  batch.reserve(64);
  i64 before = 0, num_decoding = 0;
  for (int step = 0; step < 800; ++step) {
    // 400 steps of prefill beside decoding, then decoding alone, and one that is preempted.
    if (step == 10 || step == 500) before = testing::num_allocations;
    const double now_s = 0.1 * step;
    scheduler.expired(now_s);
    if (const auto turn = scheduler.next_to_start(now_s)) scheduler.start(turn->id, 0, now_s);
    if (step == 600) scheduler.preempt(*scheduler.victim(), now_s);
    const StepPlan& plan = scheduler.plan_step(now_s);
    num_decoding = static_cast<i64>(plan.decoding.size());
    batch.clear();
    for (size_t i = 0; i < plan.decoding.size(); ++i) {
      batch.push_back({.history = &histories[i], .limit = 100});
    }
    policy.choose(batch, 64 * 700, scheduler.cost());
    if (num_decoding > 0) scheduler.after_decode(num_decoding, num_decoding * 700, 0.05);
    for (const DraftLength::Sequence& each : batch) {
      policy.observe(*each.history, each.drafts, each.drafts, each.drafts + 1);
    }
    for (const RequestId id : plan.decoding) scheduler.decoded(id, 1);
    i64 layers = 0;
    while (scheduler.run_another_layer(0.01 * static_cast<double>(layers), layers)) ++layers;
    scheduler.after_layers(layers, 0.01 * static_cast<double>(layers), now_s);
    if (step == 499) {
      EXPECT_EQ(testing::num_allocations - before, 0) << "with prefill";
      ASSERT_EQ(num_decoding, 64);
    }
  }
  EXPECT_EQ(testing::num_allocations - before, 0) << "decoding alone";
}

}  // namespace
}  // namespace fathom::engine
