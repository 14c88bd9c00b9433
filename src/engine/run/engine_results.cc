// What a pass over the model gave: tokens, log-probabilities, ends.
#include <algorithm>

#include "engine/run/emission.h"
#include "engine/run/engine_impl.h"
#include "engine/sampling/log_probs.h"

namespace fathom::engine {

/// After emit_run(): accounts, and what the sequence leaves to others.
void Engine::Impl::settle_run(Entry& entry) {
  Sequence& sequence = *entry.sequence;
  RequestStats& stats = entry.job->stats;
  stats.generated_tokens += sequence.emitted;
  counters_.generated_tokens += static_cast<u64>(sequence.emitted);
  if (drafts_for(sequence) && !sequence.pass_was_forced) {
    draft_length_.observe(sequence.drafts, static_cast<int>(sequence.drafted),
                          static_cast<int>(sequence.accepted), sequence.emitted);
    stats.draft_tokens += sequence.drafted;
    stats.accepted_tokens += sequence.accepted;
  }
  stats.total_s = now_s() - entry.job->submitted_s;
  entry.job->stream->set_stats(stats);
  scheduler_.decoded(entry.id, sequence.emitted);
  if (sequence.finish_reason) return finish(entry, *sequence.finish_reason);
  publish_whole_pages(entry);
}

/// Drafts that could be kept: the last token needs none, so all have a place in the context.
i64 Engine::Impl::draft_limit(const Sequence& sequence) const {
  const i64 last = max_new_tokens(sequence.request()) - sequence.generated() - 1;
  return std::clamp<i64>(last, 0, options_.draft_tokens);
}

/// How many drafts each sequence of the batch gets for the next step.
void Engine::Impl::wish_for_drafts() {
  wishes_.clear();
  lengths_.clear();
  drafting_.clear();
  i64 pairs = 0;
  for (Sequence* sequence : batch_) {
    pairs += std::ssize(sequence->ids);
    if (!drafts_for(*sequence) || sequence->step_is_forced) continue;
    lengths_.push_back({.history = &sequence->drafts, .limit = draft_limit(*sequence)});
    drafting_.push_back(sequence);
  }
  if (lengths_.empty()) return;
  if (options_.adaptive_drafts) {
    draft_length_.choose(lengths_, pairs, scheduler_.cost());
  } else {
    for (DraftLength::Sequence& each : lengths_) each.drafts = static_cast<int>(each.limit);
  }
  for (size_t i = 0; i < lengths_.size(); ++i) {
    const i64 tokens = lengths_[i].drafts;
    if (tokens == 0 || !pages_.grow(*drafting_[i], std::ssize(drafting_[i]->ids) + tokens))
      continue;
    wishes_.push_back({.sequence = drafting_[i], .tokens = tokens});
  }
}

/// To a client that takes them as they are. Not under the lock: it may take its time over them.
void Engine::Impl::give_prompt_logits(size_t index) {
  const PrefillItem& item = prefill_.finished()[index];
  const GenerateRequest& request = item.sequence->request();
  if (item.logits != model::LogitRows::kAll || !request.on_prompt_logits) return;
  const i64 from = std::max(item.begin, item.sequence->first_echo_row());
  const i64 row = prefill_.first_logits_row(index) + from - item.begin;
  const i64 rows = item.begin + item.tokens - from;
  request.on_prompt_logits(prefill_.logits(row, rows).data(), rows);
}

/// A chunk of a prompt is computed.
void Engine::Impl::emit_prompt(Entry& entry, const PrefillItem& item, size_t index) {
  Sequence& sequence = *entry.sequence;
  const GenerateRequest& request = sequence.request();
  const i64 first_row = prefill_.first_logits_row(index), end = item.begin + item.tokens;
  if (item.logits == model::LogitRows::kAll) {
    const i64 from = std::max(item.begin, sequence.first_echo_row());
    sequence.echoed_rows = end;
    const View<float, 2> rows = prefill_.logits(first_row + from - item.begin, end - from);
    const i64 prompt = sequence.prompt_tokens();
    const i64 targets_end = std::min(end + 1, request.scored_next_id >= 0 ? prompt + 1 : prompt);
    for (i64 at = std::max<i64>(from + 1, request.prompt_log_probs_from); at < targets_end; ++at) {
      Event event{
          .kind = Event::Kind::kPromptToken,
          .choice = sequence.choice,
          .id = at < prompt ? request.prompt_ids[static_cast<size_t>(at)] : request.scored_next_id};
      const View<const float, 1> row(rows.row(at - 1 - from), {rows.dim(1)});
      fill_log_probs(ctx_, row, event.id, std::max<i64>(request.top_log_probs, 0), event);
      entry.job->stream->write(event, {});
    }
  }
  if (end < sequence.prompt_tokens()) return publish_whole_pages(entry);
  publish(entry, end);
  if (sequence.generated() > 0) return;  // preempted before: goes on where it was
  if (max_new_tokens(request) == 0) return finish(entry, FinishReason::kLength);
  const i64 last = item.logits == model::LogitRows::kAll ? first_row + item.tokens - 1 : first_row;
  first_tokens(entry,
               View<float, 1>(prefill_.logits(last, 1).data(), {model_.config().vocab_size}));
}

/// The first token of every choice, from the logits of the prompt's last token.
void Engine::Impl::first_tokens(Entry& entry, View<float, 1> logits) {
  const i64 choices = entry.sequence->request().num_choices;
  std::vector<float> copy;
  if (choices > 1) copy.assign(logits.data(), logits.data() + logits.dim(0));
  const RequestId id = entry.id;
  entry.job->forked = true;
  for (i64 choice = 1; choice < choices; ++choice) {
    fork(*find(id), static_cast<i32>(choice), {copy.data(), {std::ssize(copy)}});
  }
  first_token(*find(id), logits);
}

void Engine::Impl::first_token(Entry& entry, View<float, 1> logits) {
  Sequence& sequence = *entry.sequence;
  const TokenMask* const mask = sequence.active_mask();
  if (mask != nullptr && mask->complete()) return finish(entry, FinishReason::kStop);
  const bool running = emit_token(ctx_, sequence, logits);
  RequestStats& stats = entry.job->stats;
  stats.generated_tokens += sequence.generated();
  counters_.generated_tokens += static_cast<u64>(sequence.generated());
  if (stats.first_token_s == 0.0) {
    stats.first_token_s = stats.total_s = now_s() - entry.job->submitted_s;
    entry.job->stream->set_stats(stats);
  }
  scheduler_.decoded(entry.id, sequence.generated());
  if (!running) return finish(entry, *sequence.finish_reason);
  begin_step_ids(sequence);
}

void Engine::Impl::fork(Entry& parent, i32 choice, View<const float, 1> logits) {
  const std::shared_ptr<Job> job = parent.job;
  const RequestId parent_id = parent.id;
  const RequestId id = scheduler_.fork(parent_id, now_s());
  Entry& entry = add_entry(id, job);
  entry.sequence = make_sequence(job, choice);
  entry.sequence->id = id;
  const Sequence& from = *find(parent_id)->sequence;
  const bool shares = pages_.fork(from, *entry.sequence, from.prompt_tokens());
  if (shares) entry.sequence->waiting = from.waiting;
  std::vector<float> own(logits.data(), logits.data() + logits.dim(0));
  first_token(entry, {own.data(), {std::ssize(own)}});
  // No page for its rows: it computes them again when there is room.
  if (!shares && find(id) != nullptr) preempt(id);
}

void Engine::Impl::publish(Entry& entry, i64 tokens) {
  pages_.publish(*entry.sequence, tokens);
  entry.published_tokens = tokens;
}

/// They may be shared as soon as they are full.
void Engine::Impl::publish_whole_pages(Entry& entry) {
  const i64 whole = entry.sequence->cache.length() / device::kPageTokens * device::kPageTokens;
  if (whole > entry.published_tokens) publish(entry, whole);
}

void Engine::Impl::fail(Entry& entry, const std::string& message) {
  entry.job->stream->set_error(message);
  finish(entry, FinishReason::kError);
}

void Engine::Impl::finish(Entry& entry, FinishReason reason) {
  const std::shared_ptr<Job> job = entry.job;
  const RequestId id = entry.id;
  Event event{.kind = Event::Kind::kFinish, .id = -1, .reason = reason};
  if (entry.sequence) {
    Sequence& sequence = *entry.sequence;
    event = sequence.end;
    event.reason = reason;
    event.choice = sequence.choice;
    event.stop_index = sequence.text.stop_index();
    prefill_.remove(sequence);
    publish(entry, std::min(sequence.cache.length(), std::ssize(sequence.ids)));
    job->stats.thinking_tokens += sequence.thought.tokens();
    job->stats.total_s = now_s() - job->submitted_s;
    job->stream->set_stats(job->stats);
    if (!sequence.error.empty()) job->stream->set_error(sequence.error);
    if (job->request.on_routes && options_.keep_routes) {
      std::vector<u16> experts;
      sequence.cache.read_routes(sequence.cache.length(), experts);
      job->request.on_routes(sequence.choice, experts);
    }
    job->stream->write(event, sequence.text.finish());
    pages_.release(sequence);
  } else {
    job->stream->write(event, {});
  }
  // Choices that were to come end with a request that never got so far.
  for (i64 choice = 1; !job->forked && choice < job->request.num_choices; ++choice) {
    event.choice = static_cast<i32>(choice);
    job->stream->write(event, {});
  }
  job->stream->notify();
  if (reason == FinishReason::kInterrupted) {
    scheduler_.cancel(id);
  } else {
    scheduler_.finish(id);
  }
  std::erase_if(wishes_,
                [&](const DraftWish& wish) { return wish.sequence == entry.sequence.get(); });
  entry = {};
}

}  // namespace fathom::engine
