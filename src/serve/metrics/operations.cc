#include "serve/metrics/operations.h"

namespace fathom::serve {
namespace {

i64 sum(const std::map<std::string, i64>& counts) {
  i64 all = 0;
  for (const auto& [name, count] : counts) all += count;
  return all;
}

}  // namespace

Activity activity_of(const engine::Engine& engine, const Metrics& metrics) {
  const engine::EngineCounters counters = engine.counters();
  const Outcomes outcomes = metrics.outcomes();
  return {.prompt_tokens = static_cast<i64>(counters.prompt_tokens),
          .cached_tokens = static_cast<i64>(counters.cached_tokens),
          .generated_tokens = static_cast<i64>(counters.generated_tokens),
          .draft_tokens = static_cast<i64>(counters.drafts.draft_tokens),
          .accepted_tokens = static_cast<i64>(counters.drafts.accepted_tokens),
          .finished = sum(outcomes.finished),
          .failed = sum(outcomes.failed),
          .refused = sum(outcomes.refused),
          .cancelled = sum(outcomes.cancelled)};
}

Load load_of(const engine::Engine& engine) {
  const auto pages = static_cast<double>(engine.num_pages());
  return {.running = engine.num_running(),
          .waiting = engine.num_waiting(),
          .cache_share = (pages - static_cast<double>(engine.num_free_pages())) / pages};
}

}  // namespace fathom::serve
