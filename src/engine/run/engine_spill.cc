// What a preempted sequence generated goes to disk, and comes back when it goes on.
#include <algorithm>

#include "engine/run/engine_impl.h"

namespace fathom::engine {

/// From the page in which the prompt ends; those before it others may want too, and have been
/// offered. Who wants no cache leaves nothing on disk; who takes rows of any kind gets what the
/// cache has then.
void Engine::Impl::spill(Entry& entry) {
  const Sequence& sequence = *entry.sequence;
  const i64 rows = sequence.cache.length(), prompt = sequence.prompt_tokens();
  const bool has_more = rows > prompt && (!entry.spilled || rows > entry.spilled->end());
  if (!has_more || sequence.request().cache_use != CacheUse::kExact) return;
  std::vector<u8*> pages;
  for (const PageId page : sequence.pages) pages.push_back(cache_.data(page));
  entry.spilled = std::make_unique<SpilledRows>(*tier_);
  entry.spilled->write(sequence.request().tenant,
                       std::span(sequence.ids).first(static_cast<size_t>(rows)),
                       prompt / device::kPageTokens * device::kPageTokens, pages);
}

/// The rows can follow what is `cached` if no page is missing between; else all is computed again.
void Engine::Impl::begin_to_restore(Entry& entry, i64 cached) {
  const SpilledRows& spilled = *entry.spilled;
  if (cached < spilled.begin() || cached >= spilled.end()) return entry.spilled.reset();
  entry.restored_tokens = spilled.begin();
  scheduler_.defer(entry.id);
}

/// A few pages a step; nothing of it is computed before all is there, or known not to come.
void Engine::Impl::restore_spilled(double now) {
  i64 left = kMaxDiskPages;
  for (Entry& entry : entries_) {
    while (entry.restored_tokens && left > 0) {
      const i64 begin = *entry.restored_tokens, end = entry.spilled->end();
      const PageId page = entry.sequence->pages[static_cast<size_t>(begin / device::kPageTokens)];
      const auto outcome = entry.spilled->read(begin, cache_.data(page));
      if (outcome == SpilledRows::Outcome::kNotYetWritten) break;
      --left;
      const bool is_read = outcome == SpilledRows::Outcome::kRead;
      if (is_read) entry.restored_tokens = std::min(begin + device::kPageTokens, end);
      if (!is_read || *entry.restored_tokens == end) end_restoring(entry, now);
    }
    reads_disk_ = reads_disk_ || entry.restored_tokens;
  }
}

/// What is not there is computed again, with the same bits.
void Engine::Impl::end_restoring(Entry& entry, double now) {
  Sequence& sequence = *entry.sequence;
  const i64 prompt = sequence.prompt_tokens();
  const i64 rows = std::max(sequence.cache.length(), *entry.restored_tokens);
  counters_.restored_tokens += static_cast<u64>(std::max<i64>(rows - prompt, 0));
  sequence.exact_tokens = std::min(rows, prompt);
  sequence.cache.adopt(rows);
  if (drafts_for(sequence)) drafter_->begin(sequence, rows);
  entry.spilled.reset();
  entry.restored_tokens.reset();
  scheduler_.resume(entry.id, rows, now);
}

}  // namespace fathom::engine
