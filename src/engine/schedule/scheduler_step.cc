// One step: a decode pass, then layers of the prefill chunk under way.
#include <algorithm>

#include "base/check.h"
#include "engine/schedule/scheduler.h"

namespace fathom::engine {

i64 Scheduler::collect_decoding() {
  decoding_.clear();
  i64 pairs = 0;
  for (const RequestId id : running_) {
    const Slot& each = slot(id);
    if (each.phase != Phase::kDecode || each.blocked) continue;
    decoding_.push_back(id);
    pairs += each.total();
  }
  return pairs;
}

void Scheduler::collect_pending(double now_s) {
  pending_.clear();
  for (const RequestId id : running_) {
    const Slot& each = slot(id);
    if (each.phase != Phase::kPrefill || each.blocked || each.deferred) continue;
    pending_.push_back({.id = id,
                        .position = each.computed,
                        .remaining = each.total() - each.computed,
                        .waited_s = now_s - each.progress_s});
  }
}

double Scheduler::layer_s() const {
  const ChunkSize size = chunk_size(chunk_, limits_.pairs_per_held_token);
  return cost_.layer.seconds(size.tokens, size.pairs);
}

/// The longest part of a layer without a pause.
double Scheduler::layer_part_s() const {
  return cost_.part.seconds(chunk_size(chunk_, 0).tokens, 0);
}

double Scheduler::chunk_patience_s() const {
  i64 furthest = 0;
  for (const PendingPrefill& each : pending_) furthest = std::max(furthest, each.position);
  const i64 tokens = limits_.chunk_tokens;
  const i64 pairs = tokens * (furthest + tokens) + furthest * limits_.pairs_per_held_token;
  const double alone_s =
      static_cast<double>(limits_.num_layers) * cost_.layer.seconds(tokens, pairs);
  const double chunk_s = decoding_.empty() ? alone_s : alone_s / (1 - limits_.decode_share);
  // Whoever is left out now is asked again after this chunk and served by the end of the next.
  return limits_.prefill_patience_s - 2.5 * chunk_s;
}

void Scheduler::form_chunk(double now_s) {
  collect_pending(now_s);
  const double patience_s = chunk_patience_s();
  const double room_s = budget_.target_s(decode_s_) - decode_s_;
  for (i64 tokens = limits_.chunk_tokens;;) {
    pack_chunk(pending_, tokens, patience_s, chunk_);
    if (decoding_.empty() || tokens <= limits_.min_chunk_tokens || layer_part_s() <= room_s) {
      return;
    }
    tokens = std::max(tokens / 2, limits_.min_chunk_tokens);
  }
}

const StepPlan& Scheduler::plan_step(double now_s) {
  last_step_s_ = now_s;
  did_decode_ = false;
  paused_s_ = 0;
  const i64 pairs = collect_decoding();
  const auto rows = static_cast<i64>(decoding_.size());
  decode_s_ = rows == 0 ? 0 : cost_.decode.seconds(rows, pairs);
  if (layers_done_ == 0) form_chunk(now_s);

  plan_ = {.decoding = decoding_, .chunk = chunk_, .first_layer = layers_done_};
  const i64 left = chunk_.empty() ? 0 : limits_.num_layers - layers_done_;
  plan_.layers = left;
  if (rows == 0) {
    budget_.reset();
    return plan_;
  }
  plan_.target_s = budget_.target_s(decode_s_);
  if (left > 0) {
    StepBudget after = budget_;
    after.decoded(decode_s_);
    const double slice_s = after.slice_s(decode_s_, decode_s_, layer_part_s());
    plan_.layers = std::min(left, static_cast<i64>(slice_s / layer_s()));
  }
  return plan_;
}

void Scheduler::after_decode(i64 rows, i64 pairs, double seconds) {
  did_decode_ = true;
  cost_.decode.observe(rows, pairs, seconds);
  decode_s_ = cost_.decode.seconds(rows, pairs);
  decode_elapsed_s_ = seconds;
  budget_.decoded(decode_s_);
  grant_slice();
}

void Scheduler::after_drafts(i64 rows, double seconds) {
  cost_.draft.observe(rows, 0, seconds);
  const double estimate_s = cost_.draft.seconds(rows, 0);
  decode_s_ += estimate_s;
  decode_elapsed_s_ += seconds;
  budget_.decoded(estimate_s);
  grant_slice();
}

void Scheduler::grant_slice() {
  slice_s_ = chunk_.empty() ? 0 : budget_.slice_s(decode_s_, decode_elapsed_s_, layer_part_s());
}

bool Scheduler::run_another_layer(double layers_s, i64 layers_run) const {
  if (chunk_.empty() || layers_done_ + layers_run >= limits_.num_layers) return false;
  if (!did_decode_) return true;
  if (layers_run == 0) return slice_s_ > 0;
  // What this step's layers took says more of the next one than any estimate. It must fit up to
  // where it can pause.
  const double next_s = std::min(layers_s / static_cast<double>(layers_run), layer_part_s());
  return layers_s - paused_s_ + next_s <= slice_s_;
}

bool Scheduler::slice_is_over(double layers_s) const {
  return did_decode_ && layers_s - paused_s_ >= slice_s_;
}

void Scheduler::pause_layers(double layers_s) {
  budget_.spend(layers_s - paused_s_);
  paused_s_ = layers_s;
}

void Scheduler::after_layer_part(double seconds) {
  cost_.part.observe(chunk_size(chunk_, 0).tokens, 0, seconds);
}

void Scheduler::prompt_computed(const ChunkItem& item, double now_s) {
  Slot& each = slot(item.id);
  each.computed += item.tokens;
  each.work += item.tokens;
  each.prepaid = std::max<i64>(each.prepaid - item.tokens, 0);
  each.progress_s = now_s;
  if (item.last) each.phase = Phase::kDecode;
}

std::span<const ChunkItem> Scheduler::after_layers(i64 layers, double seconds, double now_s) {
  completed_.clear();
  if (layers == 0 || chunk_.empty()) return completed_;
  FATHOM_CHECK(layers_done_ + layers <= limits_.num_layers, layers, " layers after ", layers_done_);
  const ChunkSize size = chunk_size(chunk_, limits_.pairs_per_held_token);
  cost_.layer.observe(size.tokens, size.pairs, seconds / static_cast<double>(layers));
  if (did_decode_) budget_.spend(std::max(seconds - paused_s_, 0.0));
  layers_done_ += layers;
  if (layers_done_ < limits_.num_layers) return completed_;
  layers_done_ = 0;
  std::swap(chunk_, completed_);
  for (const ChunkItem& item : completed_) prompt_computed(item, now_s);
  return completed_;
}

void Scheduler::leave_chunk(RequestId id) {
  std::erase_if(chunk_, [id](const ChunkItem& item) { return item.id == id; });
  if (chunk_.empty()) layers_done_ = 0;
  plan_.chunk = chunk_;
}

void Scheduler::decoded(RequestId id, i64 tokens) {
  Slot& each = slot(id);
  FATHOM_CHECK(each.phase == Phase::kDecode && tokens >= 0, tokens, " tokens");
  each.generated += tokens;
  each.work += tokens;
  each.computed += tokens;
  queue_.charge(each.request.tenant, tokens);
}

}  // namespace fathom::engine
