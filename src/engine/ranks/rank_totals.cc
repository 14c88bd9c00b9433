#include "engine/ranks/rank_totals.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"

namespace fathom::engine {
namespace {

template <typename T>
void add_each(const T& rank, T& total) {
  for (size_t i = 0; i < rank.size(); ++i) total[i] += rank[i];
}

void add_disk(const DiskStats& rank, DiskStats& total) {
  total.files += rank.files;
  total.foreign_files += rank.foreign_files;
  total.size_bytes += rank.size_bytes;
  total.is_scanned = total.is_scanned && rank.is_scanned;
  total.pages_written += rank.pages_written;
  total.pages_read += rank.pages_read;
  total.misses += rank.misses;
  total.queue_full += rank.queue_full;
  total.not_written += rank.not_written;
  total.damaged += rank.damaged;
}

}  // namespace

EngineOptions options_of_rank(EngineOptions all, int rank, i64 ranks) {
  EngineOptions options = std::move(all);
  options.cache_tokens = ceil_div(options.cache_tokens, ranks);
  options.limits.max_running = ceil_div(options.limits.max_running, ranks);
  options.limits.max_waiting = ceil_div(options.limits.max_waiting, ranks);
  i64& waiting_tokens = options.limits.max_waiting_prompt_tokens;
  waiting_tokens =
      std::min(waiting_tokens, std::max(ceil_div(waiting_tokens, ranks), options.context_tokens));
  options.disk.max_bytes = ceil_div(options.disk.max_bytes, ranks);
  if (!options.disk.directory.empty()) options.disk.directory /= fmt::format("rank-{}", rank);
  return options;
}

void add_counters(const EngineCounters& rank, EngineCounters& total) {
  total.steps += rank.steps;
  total.decode_passes += rank.decode_passes;
  total.prompt_tokens += rank.prompt_tokens;
  total.cache_queries += rank.cache_queries;
  total.cached_tokens += rank.cached_tokens;
  total.generated_tokens += rank.generated_tokens;
  total.drafts.drafts += rank.drafts.drafts;
  total.drafts.draft_tokens += rank.drafts.draft_tokens;
  total.drafts.accepted_tokens += rank.drafts.accepted_tokens;
  add_each(rank.drafts.accepted_per_position, total.drafts.accepted_per_position);
  add_each(rank.drafts.disabled_steps, total.drafts.disabled_steps);
  total.preemptions += rank.preemptions;
  total.restored_tokens += rank.restored_tokens;
  total.replayed_tokens += rank.replayed_tokens;
  add_disk(rank.disk, total.disk);
  total.model_s += rank.model_s;
  total.step_s += rank.step_s;
}

}  // namespace fathom::engine
