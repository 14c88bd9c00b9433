#include "engine/run/emission.h"

#include <algorithm>

#include "base/rng.h"
#include "engine/sampling/log_probs.h"

namespace fathom::engine {
namespace {

/// The id, and in `event` what the request wants to know of it.
i32 sample(Ctx& ctx, Sequence& sequence, View<float, 1> logits, Event& event) {
  const GenerateRequest& request = sequence.request();
  if (request.top_log_probs >= 0) {
    sequence.raw_logits.assign(logits.data(), logits.data() + logits.dim(0));
  }
  TokenRules rules;
  std::span<const u32> mask;
  if (TokenMask* const active = sequence.active_mask()) {
    mask = active->allowed();
    rules.mask = &mask;
  }
  rules.only = sequence.thought.forced_id();
  const bool ends_unmasked = sequence.mask && sequence.thought.open();
  if (sequence.generated() < request.min_tokens || ends_unmasked) {
    rules.banned = request.stop_token_ids;
  }
  event.id = sequence.sampler.sample(logits, rules);
  if (request.top_log_probs >= 0) {
    if (request.tempered_log_probs && request.sampling.temperature > 0.0) {
      const auto inverse = static_cast<float>(1.0 / request.sampling.temperature);
      for (float& logit : sequence.raw_logits) logit *= inverse;
    }
    const View<const float, 1> raw(sequence.raw_logits.data(), {logits.dim(0)});
    fill_log_probs(ctx, raw, event.id, request.top_log_probs, event);
  }
  return event.id;
}

bool is_stop_token(const GenerateRequest& request, i32 id) {
  return std::ranges::find(request.stop_token_ids, id) != request.stop_token_ids.end();
}

/// False if it was the last one.
bool take(Sequence& sequence, Event& event) {
  if (is_stop_token(sequence.request(), event.id)) {
    sequence.finish_reason = FinishReason::kStop;
    sequence.end = event;
    sequence.end.kind = Event::Kind::kFinish;
    return false;
  }
  sequence.ids.push_back(event.id);
  if (TokenMask* const mask = sequence.active_mask()) mask->accept(event.id);
  const bool thinks = sequence.thought.open();
  sequence.thought.accept(event.id);
  event.kind = Event::Kind::kToken;
  event.choice = sequence.choice;
  sequence.job->stream->write(
      event, thinks ? sequence.text.push_unwatched(event.id) : sequence.text.push(event.id));
  const TokenMask* const next_mask = sequence.active_mask();
  if (sequence.text.stopped() || (next_mask != nullptr && next_mask->complete())) {
    sequence.finish_reason = FinishReason::kStop;
  } else if (sequence.generated() >= sequence.max_new_tokens) {
    sequence.finish_reason = FinishReason::kLength;
  }
  return !sequence.finish_reason;
}

/// For benches: logits under which the next draft is kept, or not, with the given probability.
void force(View<float, 1> logits, const Sequence& sequence, std::span<const double> forced) {
  const auto j = static_cast<size_t>(sequence.accepted);
  if (j + 1 >= sequence.step_ids.size()) return;
  constexpr u64 kStream = 0x666f726365;
  const u64 position = sequence.ids.size();
  const double draw = Philox(static_cast<u64>(sequence.id.slot), kStream).uniform(position);
  const bool keep = j < forced.size() && draw < forced[j];
  constexpr float kFar = 1e30f;
  logits(sequence.step_ids[j + 1]) = keep ? kFar : -kFar;
}

/// A mask that fails says so where the token itself is sampled.
bool allows_draft(TokenMask& mask, i32 id) {
  try {
    return allows(mask.allowed(), id);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace

bool emit_token(Ctx& ctx, Sequence& sequence, View<float, 1> logits) {
  Event event;
  try {
    sample(ctx, sequence, logits, event);
  } catch (const Error& error) {
    sequence.finish_reason = FinishReason::kError;
    sequence.error = error.message();
    return false;
  }
  return take(sequence, event);
}

void emit_run(Ctx& ctx, Sequence& sequence, DecodePass& pass, i64 first_row,
              std::span<const double> forced) {
  const i64 drafts = std::ssize(sequence.step_ids) - 1;
  const i64 held = sequence.cache.length() - drafts - 1, before = std::ssize(sequence.ids);
  sequence.pass_was_forced = sequence.step_is_forced;
  sequence.drafted = drafts;
  sequence.accepted = 0;
  while (true) {
    const View<float, 1> logits = pass.logits(first_row + sequence.accepted);
    if (!forced.empty()) force(logits, sequence, forced);
    if (!emit_token(ctx, sequence, logits)) break;
    if (sequence.accepted == drafts) break;
    const i32 draft = sequence.step_ids[static_cast<size_t>(sequence.accepted + 1)];
    if (sequence.ids.back() != draft) break;
    ++sequence.accepted;
  }
  sequence.emitted = std::ssize(sequence.ids) - before;
  sequence.cache.truncate(std::min(held + sequence.accepted + 1, std::ssize(sequence.ids)));
  if (!sequence.finish_reason) begin_step_ids(sequence);
}

void begin_step_ids(Sequence& sequence) {
  constexpr i64 kMaxForced = 16;  // rows of a pass
  sequence.step_ids.assign({sequence.ids.back()});
  sequence.step_is_forced = false;
  TokenMask* const mask = sequence.active_mask();
  // The last token needs no row of its own.
  const i64 limit = std::min(kMaxForced, sequence.max_new_tokens - sequence.generated() - 1);
  if (mask == nullptr || limit <= 0) return;
  const std::vector<i32> forced = mask->forced_run(limit);
  sequence.step_is_forced = !forced.empty();
  sequence.step_ids.insert(sequence.step_ids.end(), forced.begin(), forced.end());
}

void cut_refused_drafts(Sequence& sequence) {
  if (sequence.step_is_forced) return;
  Thought thought = sequence.thought;
  TokenMask* const mask = sequence.mask.get();
  i64 taken = 0;
  size_t kept = 1;
  for (; kept < sequence.step_ids.size(); ++kept) {
    const i32 id = sequence.step_ids[kept];
    // A stop token ends the text: nothing is computed behind it, and a mask, which allows it where
    // the text may end, does not take it.
    if (id != thought.forced_id().value_or(id) || is_stop_token(sequence.request(), id)) break;
    if (mask != nullptr && !thought.open()) {
      if (mask->complete() || !allows_draft(*mask, id)) break;
      mask->accept(id);
      ++taken;
    }
    thought.accept(id);
  }
  if (taken > 0) mask->roll_back(taken);
  sequence.step_ids.resize(kept);
}

}  // namespace fathom::engine
