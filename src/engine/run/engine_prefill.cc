// Chunks of prompts: their layers, beside decoding and in pauses of which it goes on.
#include <algorithm>
#include <functional>

#include "comm/job.h"
#include "engine/run/engine_impl.h"

namespace fathom::engine {
namespace {

/// Without decoding sequences a step could run a whole chunk, but must come back to look for
/// cancellations and new requests.
constexpr double kLookAroundS = 0.1;
/// Generated tokens of a preempted sequence that are decoded again in one pass.
constexpr i64 kReplayTokens = 64;
/// Of decoding, in one pause of a layer: the layer must go on some day, whatever the clock says.
constexpr int kPassesAPause = 4;

}  // namespace

/// A new chunk's rows of prompts; its rows of tokens generated before a preemption follow when it
/// is complete.
void Engine::Impl::begin_chunk(const StepPlan& plan) {
  items_.clear();
  for (const ChunkItem& chunk : plan.chunk) {
    Entry* const entry = find(chunk.id);
    if (entry == nullptr || scheduler_.phase(chunk.id) != Phase::kPrefill) continue;
    Sequence& sequence = *entry->sequence;
    const i64 prompt = sequence.prompt_tokens();
    const i64 end = std::min(chunk.begin + chunk.tokens, prompt);
    if (end <= chunk.begin) continue;
    model::LogitRows logits = model::LogitRows::kNone;
    if (sequence.generated() == 0 && end > sequence.first_echo_row()) {
      logits = model::LogitRows::kAll;
    } else if (sequence.generated() == 0 && end == prompt) {
      logits = model::LogitRows::kLast;
    }
    items_.push_back({.sequence = &sequence,
                      .begin = chunk.begin,
                      .tokens = end - chunk.begin,
                      .logits = logits});
    RequestStats& stats = entry->job->stats;
    stats.begun_tokens = std::max(stats.begun_tokens, end);
    entry->job->stream->set_stats(stats);
  }
  prefill_.start(items_);
}

void Engine::Impl::run_layers(std::unique_lock<std::mutex>& lock, const StepPlan& plan,
                              bool decodes) {
  const Clock::time_point begin = Clock::now();
  if (!scheduler_.run_another_layer(0, 0)) return;
  if (plan.first_layer == 0) begin_chunk(plan);
  i64 layers = 0;
  if (!prefill_.active()) {  // all of the chunk is to be decoded again
    layers = scheduler_.layers_left();
  }
  double decode_s = 0;  // in pauses
  const auto layers_s = [&] { return seconds_since(begin) - decode_s; };
  double part_begin_s = 0, longest_part_s = 0;
  const auto end_part = [&] {
    longest_part_s = std::max(longest_part_s, layers_s() - part_begin_s);
  };
  const std::function<void()> pause = [&] {
    end_part();
    decode_s += decode_in_pause(layers_s());
    part_begin_s = layers_s();
  };
  std::optional<std::string> error;
  while (prefill_.active() && scheduler_.run_another_layer(layers_s(), layers) &&
         (decodes || layers == 0 || layers_s() < kLookAroundS)) {
    lock.unlock();
    part_begin_s = layers_s();
    longest_part_s = 0;
    try {
      prefill_.run_layer(pause);
    } catch (const comm::LostRanks&) {
      throw;
    } catch (const Error& failed) {
      error = failed.message();
    }
    end_part();
    lock.lock();
    ++layers;
    if (error) break;
    scheduler_.after_layer_part(longest_part_s);
  }
  const double seconds = layers_s();
  counters_.model_s += seconds;
  if (error) {
    items_.assign(prefill_.items().begin(), prefill_.items().end());
    for (const PrefillItem& item : items_) fail(*find(item.sequence->id), *error);
    return;
  }
  const auto completed =
      scheduler_.after_layers(layers, prefill_.active() ? seconds : 0.0, now_s());
  if (!completed.empty()) chunk_completed(lock, completed);
}

/// Where a layer can pause: those who decode go on if it is their turn. Nobody starts, is cancelled
/// or gives up pages here, since the layer is at work on its sequences. Returns the seconds.
double Engine::Impl::decode_in_pause(double layers_s) {
  std::unique_lock lock(mutex_);
  if (!scheduler_.slice_is_over(layers_s)) return 0.0;
  const Clock::time_point begin = Clock::now();
  scheduler_.pause_layers(layers_s);
  int passes = 0;
  do {  // more than one where decoding is owed time
    batch_.clear();
    for (const RequestId id : scheduler_.decoding()) {
      Entry* const entry = find(id);
      if (entry == nullptr || scheduler_.phase(id) != Phase::kDecode) continue;
      if (has_room(*entry->sequence)) batch_.push_back(entry->sequence.get());
    }
    if (batch_.empty()) break;
    run_decode(lock);
    notify_readers();
  } while (++passes < kPassesAPause && scheduler_.slice_is_over(layers_s));
  return seconds_since(begin);
}

void Engine::Impl::chunk_completed(std::unique_lock<std::mutex>& lock,
                                   std::span<const ChunkItem> completed) {
  completed_.assign(completed.begin(), completed.end());
  completed_sequences_.clear();
  for (const ChunkItem& chunk : completed_) {
    completed_sequences_.push_back(find(chunk.id)->sequence.get());
  }
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  if (prefill_.active()) {
    prefill_.finish();
    for (size_t i = 0; i < prefill_.finished().size(); ++i) {
      const PrefillItem& item = prefill_.finished()[i];
      if (drafts_for(*item.sequence)) {
        drafter_->prefilled(*item.sequence, item.begin, prefill_.hidden(i));
      }
      give_prompt_logits(i);
    }
  }
  i64 replayed = 0;
  for (size_t i = 0; i < completed_.size(); ++i) {
    const ChunkItem& chunk = completed_[i];
    Sequence& sequence = *completed_sequences_[i];
    const i64 first = std::max(chunk.begin, sequence.prompt_tokens());
    const i64 end = std::min(chunk.begin + chunk.tokens, std::ssize(sequence.ids) - 1);
    replay(sequence, first, end);
    replayed += std::max<i64>(end - first, 0);
  }
  lock.lock();
  counters_.replayed_tokens += static_cast<u64>(replayed);
  counters_.model_s += seconds_since(begin);
  for (size_t i = 0; i < prefill_.finished().size(); ++i) {
    const PrefillItem item = prefill_.finished()[i];
    Sequence& sequence = *item.sequence;
    if (sequence.exact_tokens == item.begin) sequence.exact_tokens += item.tokens;
    counters_.prompt_tokens += static_cast<u64>(item.tokens);
    Entry& entry = *find(sequence.id);
    report_prefilled(entry, item.begin + item.tokens);
    emit_prompt(entry, item, i);
  }
  prefill_.forget_finished();
}

/// So many of its prompt's rows are there: what it computes again after a preemption is no news.
void Engine::Impl::report_prefilled(Entry& entry, i64 tokens) {
  RequestStats& stats = entry.job->stats;
  if (tokens <= stats.prefilled_tokens && stats.prefilled_s > 0) return;
  stats.prefilled_tokens = std::max(stats.prefilled_tokens, tokens);
  stats.begun_tokens = std::max(stats.begun_tokens, tokens);
  stats.prefilled_s = now_s() - entry.job->submitted_s;
  entry.job->stream->report_progress(stats);
}

/// Rows [begin, end) of generated tokens as decoding made them: a preempted sequence goes on with
/// the same bits.
void Engine::Impl::replay(Sequence& sequence, i64 begin, i64 end) {
  for (; begin < end; begin += kReplayTokens) {
    const i64 count = std::min(kReplayTokens, end - begin);
    const model::SequenceStep step{
        .token_ids = std::span<const i32>(sequence.ids)
                         .subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
        .cache = &sequence.cache,
        .logits = model::LogitRows::kNone,
        .form = model::StepForm::kDecode};
    const i64 width = model_.config().hidden_size;
    Workspace::Scope scratch(ctx_.workspace());
    const auto hidden = scratch.alloc<float>(count, width);
    model_.forward(ctx_, {&step, 1}, options_.run, {}, hidden);
    if (drafts_for(sequence)) drafter_->prefilled(sequence, begin, hidden);
  }
}

}  // namespace fathom::engine
