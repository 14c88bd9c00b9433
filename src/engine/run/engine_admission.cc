// Who runs: requests that start, that share what they compute, and that give up their pages.
#include <algorithm>
#include <utility>

#include "engine/run/emission.h"
#include "engine/run/engine_impl.h"

namespace fathom::engine {

void Engine::Impl::end_unwanted(double now) {
  if (const auto failure = std::exchange(failure_, std::nullopt)) {
    for (Entry& entry : entries_) {
      if (entry.job) fail(entry, *failure);
    }
  }
  for (Entry& entry : entries_) {
    if (!entry.job) continue;
    if (entry.job->stream->cancelled()) {
      finish(entry, FinishReason::kInterrupted);
      continue;
    }
    scheduler_.set_blocked(entry.id, is_blocked(entry), now);
  }
  for (const Expired& expired : scheduler_.expired(now)) {
    Entry* const entry = find(expired.id);
    if (entry == nullptr) continue;
    finish(*entry, expired.reason == ExpiredReason::kWallClock ? FinishReason::kLength
                                                               : FinishReason::kInterrupted);
  }
}

void Engine::Impl::drop_forgotten() {
  for (const std::string& tenant : std::exchange(forgotten_, {})) {
    cache_.flush(tenant);
    for (Entry& entry : entries_) {
      if (entry.job && entry.job->request.tenant == tenant) {
        entry.job->request.cache_use = CacheUse::kNone;
      }
    }
  }
}

void Engine::Impl::start_waiting(double now) {
  reads_disk_ = false;
  while (const auto turn = scheduler_.next_to_start(now)) {
    Entry* const entry = find(turn->id);
    FATHOM_CHECK(entry != nullptr, "the scheduler's request ", turn->id.slot, " is unknown");
    if (!start(*entry, *turn, now)) return;
  }
}

/// A prompt's last row is computed for its logits. Rows of generated tokens are decoded again: what
/// a prompt left under the same text differs in the last bits.
i64 Engine::Impl::reusable_tokens(const Sequence& sequence) const {
  const i64 prompt = sequence.prompt_tokens();
  return std::min(sequence.generated() > 0 ? prompt : prompt - 1, sequence.first_echo_row());
}

/// False if its pages do not fit now, or are still being read from disk.
bool Engine::Impl::start(Entry& entry, const Turn& turn, double now) {
  if (!entry.sequence) {
    entry.sequence = make_sequence(entry.job, /*choice=*/0);
    entry.sequence->id = entry.id;
  }
  Sequence& sequence = *entry.sequence;
  const GenerateRequest& request = sequence.request();
  if (entry.did_not_fit == cache_.state(request.tenant)) return false;
  const i64 limit = reusable_tokens(sequence);
  const auto adopted = pages_.adopt(sequence, limit);
  reads_disk_ = !adopted;
  if (!adopted) return false;
  const i64 cached = *adopted;
  const i64 hold =
      std::min(turn.tokens_to_hold, sequence.prompt_tokens() + max_new_tokens(request));
  if (!pages_.grow(sequence, hold)) {
    pages_.release(sequence);
    entry.did_not_fit = cache_.state(request.tenant);
    return false;
  }
  entry.did_not_fit.reset();
  if (drafts_for(sequence)) drafter_->begin(sequence, cached);
  scheduler_.start(entry.id, cached, now);
  entry.published_tokens = 0;
  if (const auto& handed = entry.job->handed) {
    entry.job->stats.cached_tokens = handed->cached_tokens;
    entry.job->stats.queue_s = handed->queue_s;
    report_prefilled(entry, cached);
  } else if (entry.job->stats.preemptions == 0) {  // later it finds what it computed itself
    pages_.count_query(sequence, limit, cached);
    entry.job->stats.cached_tokens = cached;
    entry.job->stats.queue_s = now - entry.job->submitted_s;
    report_prefilled(entry, cached);
  }
  if (entry.spilled) begin_to_restore(entry, cached);
  if (!entry.restored_tokens) follow(entry, cached);
  return true;
}

/// Tokens that `sequence` will find in the cache once the prompt of `other`, which is being
/// computed, is far enough; 0 if it had better compute its own.
i64 Engine::Impl::shared_prefix(const Entry& other, const Sequence& sequence) const {
  if (!other.job || !other.sequence || other.follows || is_blocked(other)) return 0;
  const Sequence& leader = *other.sequence;
  if (&leader == &sequence || scheduler_.phase(other.id) != Phase::kPrefill) return 0;
  const GenerateRequest &theirs = leader.request(), &ours = sequence.request();
  const bool is_inexact = leader.exact_tokens < leader.cache.length();
  if (theirs.tenant != ours.tenant || theirs.cache_salt != ours.cache_salt ||
      theirs.cache_use == CacheUse::kNone || ours.cache_use == CacheUse::kNone ||
      (ours.cache_use == CacheUse::kExact && is_inexact)) {
    return 0;
  }
  // A prompt that is much longer than ours may have to wait for shorter ones: we need not.
  const i64 their_rest = leader.prompt_tokens() - leader.cache.length();
  const i64 our_rest = sequence.prompt_tokens() - sequence.cache.length();
  if (their_rest > our_rest + options_.limits.chunk_tokens) return 0;
  const auto differ = std::ranges::mismatch(theirs.prompt_ids, ours.prompt_ids);
  const i64 common =
      std::min<i64>(differ.in1 - theirs.prompt_ids.begin(), reusable_tokens(sequence));
  return common > other.published_tokens ? common : 0;
}

/// A prompt that begins like one that is being computed waits for its pages, if there is at least
/// one to be had.
void Engine::Impl::follow(Entry& entry, i64 cached) {
  i64 most = cached + device::kPageTokens - 1;
  for (const Entry& other : entries_) {
    const i64 tokens = shared_prefix(other, *entry.sequence);
    if (tokens <= most) continue;
    most = tokens;
    entry.follows = {.leader = other.id, .tokens = tokens};
  }
  if (entry.follows) scheduler_.defer(entry.id);
}

/// Those that waited for pages of another's prompt take them, once they are there or will not come.
void Engine::Impl::take_shared_prefixes(double now) {
  for (Entry& entry : entries_) {
    if (!entry.follows) continue;
    const Entry* const leader = find(entry.follows->leader);
    const bool may_wait = leader != nullptr && !leader->follows && !is_blocked(*leader) &&
                          scheduler_.phase(leader->id) == Phase::kPrefill &&
                          leader->published_tokens < entry.follows->tokens;
    if (may_wait) continue;
    entry.follows.reset();
    Sequence& sequence = *entry.sequence;
    const i64 hold = sequence.cache.capacity_tokens();
    pages_.release(sequence);  // of which none has a row of its own
    const i64 cached = pages_.adopt_from_memory(sequence, reusable_tokens(sequence));
    const bool fits = pages_.grow(sequence, hold);
    FATHOM_CHECK(fits, "no room for ", hold, " tokens that had pages");
    if (drafts_for(sequence)) drafter_->begin(sequence, cached);
    scheduler_.resume(entry.id, cached, now);
    if (entry.job->stats.preemptions == 0 && !entry.job->handed) {
      entry.job->stats.cached_tokens = cached;
      report_prefilled(entry, cached);
    }
    follow(entry, cached);
  }
}

void Engine::Impl::preempt(RequestId id) {
  Entry* const entry = find(id);
  FATHOM_CHECK(entry != nullptr && entry->sequence, "preempts ", id.slot);
  Sequence& sequence = *entry->sequence;
  publish(*entry, sequence.cache.length());
  if (tier_) spill(*entry);
  prefill_.remove(sequence);
  pages_.release(sequence);
  sequence.step_ids.clear();
  entry->follows.reset();
  entry->restored_tokens.reset();
  std::erase_if(wishes_, [&](const DraftWish& wish) { return wish.sequence == &sequence; });
  scheduler_.preempt(id, now_s());
  ++entry->job->stats.preemptions;
}

/// The decoding sequences that have a page for their next rows. One that has none waits while
/// others go on: they may end, and give it theirs. Only when all wait is one preempted.
void Engine::Impl::make_batch(std::span<const RequestId> decoding) {
  batch_.clear();
  while (batch_.empty()) {
    bool waits = false;
    for (const RequestId id : decoding) {
      Entry* const entry = find(id);
      if (entry == nullptr || scheduler_.phase(id) != Phase::kDecode) continue;  // preempted
      if (has_room(*entry->sequence)) {
        batch_.push_back(entry->sequence.get());
      } else {
        waits = true;
      }
    }
    if (!waits || !batch_.empty()) return;
    const auto victim = scheduler_.victim();
    if (!victim) return;
    preempt(*victim);
  }
}

/// Gets a page for the last token and its drafts, or for as many of these as fit.
bool Engine::Impl::has_room(Sequence& sequence) {
  FATHOM_CHECK(sequence.ready_to_decode(), sequence.cache.length(), " rows of ",
               sequence.ids.size(), " tokens");
  if (sequence.step_ids.empty()) begin_step_ids(sequence);
  pages_.grow(sequence, sequence.cache.length() + std::ssize(sequence.step_ids));
  const i64 room = sequence.cache.capacity_tokens() - sequence.cache.length();
  if (room < std::ssize(sequence.step_ids)) {
    sequence.step_ids.resize(static_cast<size_t>(std::max<i64>(room, 1)));
  }
  return room > 0;
}

}  // namespace fathom::engine
