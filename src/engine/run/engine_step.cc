// One step of the engine: everybody decodes, then a prompt's layers run (engine_prefill.cc).
#include <algorithm>

#include "base/parallel.h"
#include "comm/job.h"
#include "engine/run/emission.h"
#include "engine/run/engine_impl.h"

namespace fathom::engine {
bool Engine::Impl::step() {
  const Clock::time_point begin = Clock::now();
  std::unique_lock lock(mutex_);
  const double now = now_s();
  drop_forgotten();
  end_unwanted(now);
  take_shared_prefixes(now);
  start_waiting(now);
  if (tier_) restore_spilled(now);
  const StepPlan& plan = scheduler_.plan_step(now);
  make_batch(plan.decoding);
  const bool has_chunk = !plan.chunk.empty(), decodes = !batch_.empty();
  if (!decodes && !has_chunk) return reads_disk_;
  if (decodes) run_decode(lock);
  if (has_chunk) run_layers(lock, plan, decodes);
  notify_readers();
  ++counters_.steps;
  counters_.step_s += seconds_since(begin);
  return true;
}

void Engine::Impl::run_decode(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  std::optional<std::string> error;
  try {
    decode_.run(batch_);
  } catch (const comm::LostRanks&) {  // no fault of these requests
    throw;
  } catch (const Error& failed) {
    error = failed.message();
  }
  const double seconds = seconds_since(begin);
  double module_s = 0.0;
  if (!error) {
    emit_runs();
    module_s = keep_states(seconds);
  }
  lock.lock();
  counters_.model_s += seconds + module_s;
  ++counters_.decode_passes;
  scheduler_.after_decode(decode_.rows(), decode_.pairs(), seconds);
  for (size_t i = 0; i < batch_.size(); ++i) {
    Entry& entry = *find(batch_[i]->id);
    if (error) {
      fail(entry, *error);
    } else {
      settle_run(entry);
    }
    if (!entry.job) batch_[i] = nullptr;  // it has ended
  }
  std::erase(batch_, nullptr);
  if (!drafter_) return;
  wish_for_drafts();
  if (!wishes_.empty()) run_drafts(lock);
}

/// Sampling looks at every logit: with many sequences, or a large vocabulary, work for all cores.
void Engine::Impl::emit_runs() {
  constexpr i64 kLogitsOfAThread = 131072;
  const i64 sequences = std::ssize(batch_);
  const i64 logits = decode_.rows() * model_.config().vocab_size;
  const i64 threads =
      std::clamp<i64>(logits / kLogitsOfAThread, 1, std::min<i64>(sequences, available_threads()));
  const auto contexts = ctx_.thread_contexts(threads);
  parallel_for_each(sequences, threads, [&](i64 thread, i64 unit) {
    const auto i = static_cast<size_t>(unit);
    emit_run(*contexts[static_cast<size_t>(thread)], *batch_[i], decode_, decode_.first_row(i),
             options_.forced_acceptance);
  });
}

/// What later drafts need of this pass. Returns the seconds of rows made for that.
double Engine::Impl::keep_states(double decode_s) {
  if (!drafter_) return 0.0;
  i64 tokens = 0;
  for (const Sequence* sequence : batch_) tokens += sequence->emitted;
  const double token_s = decode_s / static_cast<double>(std::max<i64>(tokens, 1));
  const double before = drafter_->seconds_for_nobody();
  for (size_t i = 0; i < batch_.size(); ++i) {
    Sequence& sequence = *batch_[i];
    if (sequence.finish_reason || !drafts_for(sequence)) continue;
    const i64 rows = sequence.accepted + 1;
    drafter_->decoded(sequence, decode_.hidden().slice(0, decode_.first_row(i), rows), token_s);
  }
  return drafter_->seconds_for_nobody() - before;
}

void Engine::Impl::run_drafts(std::unique_lock<std::mutex>& lock) {
  lock.unlock();
  const Clock::time_point begin = Clock::now();
  try {
    drafter_->draft(wishes_);
  } catch (const comm::LostRanks&) {
    throw;
  } catch (const Error&) {
    // Without drafts everything goes on as it would.
    for (const DraftWish& wish : wishes_) wish.sequence->step_ids.resize(1);
  }
  const double seconds = seconds_since(begin);
  lock.lock();
  counters_.model_s += seconds;
  scheduler_.after_drafts(std::ssize(wishes_), seconds);
  for (const DraftWish& wish : wishes_) cut_refused_drafts(*wish.sequence);
  wishes_.clear();
}

void Engine::Impl::notify_readers() {
  for (const Entry& entry : entries_) {
    if (entry.job) entry.job->stream->notify();
  }
}

}  // namespace fathom::engine
