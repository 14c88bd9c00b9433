// What the policy costs in a step of N decoding sequences beside a prefill, drafts on: all that the
// engine calls between two passes of the model.
#include <benchmark/benchmark.h>

#include "engine/schedule/draft_length.h"
#include "engine/schedule/scheduler.h"

namespace fathom::engine {
namespace {

void step(benchmark::State& state) {
  const i64 sequences = state.range(0);
  const CostCurve curve({{1, 0.01}, {8, 0.02}, {64, 0.05}}, 1e-9);
  Scheduler scheduler(
      {.num_layers = 1'000'000'000, .max_running = sequences + 1, .wall_clock_s = 1e18},
      {curve, curve, curve, curve});
  for (i64 i = 0; i <= sequences; ++i) {
    const bool decodes = i < sequences;
    const RequestId id =
        scheduler.submit({.prompt_tokens = 700, .max_new_tokens = i64{1} << 40}, 0).id;
    scheduler.start(id, decodes ? 699 : 0, 0);
    if (!decodes) break;
    scheduler.plan_step(0);
    scheduler.after_layers(1'000'000'000, 1, 0);
  }
  for (int i = 0; i < 256; ++i) scheduler.submit({.prompt_tokens = 700, .max_new_tokens = 9}, 0);
  DraftLength policy(3);
  std::vector<DraftHistory> histories(static_cast<size_t>(sequences), policy.begin());
  std::vector<DraftLength::Sequence> batch;
  double now_s = 0;
  for (auto _ : state) {
    now_s += 0.05;
    benchmark::DoNotOptimize(scheduler.expired(now_s).size());
    benchmark::DoNotOptimize(scheduler.next_to_start(now_s));
    const StepPlan& plan = scheduler.plan_step(now_s);
    batch.clear();
    for (DraftHistory& each : histories) batch.push_back({.history = &each, .limit = 100});
    policy.choose(batch, 700 * sequences, scheduler.cost());
    scheduler.after_decode(sequences, 700 * sequences, 0.04);
    for (const DraftLength::Sequence& each : batch) {
      policy.observe(*each.history, each.drafts, each.drafts, each.drafts + 1);
    }
    for (const RequestId id : plan.decoding) scheduler.decoded(id, 1);
    if (scheduler.run_another_layer(0, 0)) scheduler.after_layers(1, 0.01, now_s);
  }
  state.SetItemsProcessed(state.iterations() * sequences);
}
BENCHMARK(step)->Arg(1)->Arg(16)->Arg(64)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace fathom::engine

BENCHMARK_MAIN();
