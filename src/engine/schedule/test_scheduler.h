#pragma once
#include <gtest/gtest.h>

#include "engine/schedule/scheduler.h"

namespace fathom::engine {

/// Decode passes take 10 ms and 1 ms a row, a layer 1 ms and 10 us a token.
inline CostModel cost() {
  const CostCurve layer({{1, 0.00101}, {512, 0.00612}}, 0);
  return {.decode = CostCurve({{1, 0.011}, {64, 0.074}}, 0),
          .layer = layer,
          .part = layer,
          .draft = CostCurve({{1, 0.001}}, 0)};
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

}  // namespace fathom::engine
