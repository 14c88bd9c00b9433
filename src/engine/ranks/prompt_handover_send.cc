// Prompts: on the rank that computes them.
#include "base/check.h"
#include "engine/ranks/prompt_handover_side.h"

namespace fathom::engine {

void PromptHandover::look_at_prompt(Side& side, u64 id) {
  std::shared_ptr<Stream> prompt, stream;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;  // it was ended meanwhile
    prompt = found->second.prompt;
    stream = found->second.stream;
  }
  if (stream->cancelled()) prompt->cancel();
  const RequestStats stats = prompt->stats();
  if (stats.begun_tokens != stream->stats().begun_tokens) stream->report_progress(stats);
  stream->notify();
  Events events;
  if (!prompt->try_read(events)) return;
  const FinishReason reason = events.events.back().reason;
  // One that ran into a limit has not all of its rows, and ends as it would alone.
  const bool is_whole =
      reason == FinishReason::kLength && stats.prefilled_tokens == stats.prompt_tokens;
  if (is_whole && !stream->cancelled()) return offer_rows(side, id);
  const Lock lock(mutex_);
  if (!requests_.contains(id)) return;
  end(id, is_whole ? FinishReason::kInterrupted : reason, prompt->error());
}

void PromptHandover::offer_rows(Side& side, u64 id) {
  GenerateRequest asked;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end()) return;
    asked = prompt_of(found->second.request);
    counters_.prompt_s += now_s() - found->second.submitted_s;
  }
  LentPages rows = side.engine->lend_prompt(asked);
  bool is_wanted = false;
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    is_wanted = found != requests_.end();
    if (is_wanted && rows.tokens == 0) to_place(id);  // one token, or its pages are gone
    if (is_wanted && rows.tokens > 0) {
      Request& request = found->second;
      request.phase = Phase::kRows;
      request.phase_s = now_s();
      request.tokens = rows.tokens;
      request.exact_tokens = rows.exact_tokens;
    }
  }
  if (rows.tokens == 0) return tell_();
  if (!is_wanted) return side.engine->give_back(rows.handle);
  std::vector<std::span<const u8>> pages(rows.pages.begin(), rows.pages.end());
  side.sent.emplace(id, std::move(rows));
  side.sender.offer(id, std::move(pages), now_s());
}

/// Rows are on their way: the client may have gone.
void PromptHandover::look_at_rows(Side& side, u64 id) {
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(id);
    if (found == requests_.end() || !found->second.stream->cancelled()) return;
  }
  if (side.sender.state(id) == SendState::kAborting) return;
  side.sender.cancel(id, now_s());
}

/// The sender is through with it, and its pages go back.
void PromptHandover::sent(Side& side, u64 id, SendState state) {
  side.engine->give_back(side.sent.at(id).handle);
  side.sent.erase(id);
  {
    const Lock lock(mutex_);
    if (state == SendState::kRefused) ++counters_.refused;
    if (state == SendState::kAborted) ++counters_.aborted;
    if (state == SendState::kLost) ++counters_.lost;
    const auto found = requests_.find(id);
    if (found == requests_.end() || found->second.phase != Phase::kRows) return;  // it arrived
    if (found->second.stream->cancelled()) return end(id, FinishReason::kInterrupted, "");
    to_place(id);  // where its prompt is computed again
  }
  tell_();
}

}  // namespace fathom::engine
