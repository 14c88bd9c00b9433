#include "engine/run/drafter.h"

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "engine/run/buffers.h"
#include "engine/sampling/argmax.h"

namespace fathom::engine {
namespace {

/// States that wait before their rows are made at once, as a prompt's: reading a module's weights
/// for every token would cost more than drafting brings.
constexpr i64 kManyStates = 32;
constexpr i64 kKeptStates = 8;        // of them, where their rows would take too long
constexpr double kSmallShare = 0.01;  // of decoding, that rows for nobody may take
constexpr i64 kLookAgain = 64;        // whether they still take more

/// Forgets the first `count`.
void drop_front(WaitingStates& waiting, i64 count, i64 width) {
  if (count <= 0) return;
  std::copy(waiting.states.begin() + count * width, waiting.states.begin() + waiting.count * width,
            waiting.states.begin());
  waiting.begin += count;
  waiting.count -= count;
}

/// States of positions [begin, begin + count) take their place; those behind them are forgotten.
void put(WaitingStates& waiting, i64 begin, const float* states, i64 count, i64 width) {
  const i64 at = begin - waiting.begin;
  FATHOM_CHECK(at >= 0 && at <= waiting.count, "states of position ", begin, " after ",
               waiting.begin, " + ", waiting.count);
  grow(waiting.states, (at + count) * width);
  std::copy_n(states, count * width, waiting.states.begin() + at * width);
  waiting.count = at + count;
}

}  // namespace

Drafter::Drafter(Ctx& ctx, const model::Model& model, const model::RunOptions& options, i64 num_ids)
    : ctx_(ctx),
      model_(model),
      options_(options),
      depths_(model.num_mtp()),
      num_ids_(std::min(num_ids, model.config().vocab_size)) {}

void Drafter::begin(Sequence& sequence, i64 tokens) const {
  sequence.waiting.resize(static_cast<size_t>(depths_));
  for (WaitingStates& waiting : sequence.waiting) {
    waiting.begin = tokens;
    waiting.count = 0;
    grow(waiting.states, (kManyStates + kMaxDrafts + 1 + depths_) * width());
  }
}

void Drafter::clear_batch() {
  steps_.clear();
  owners_.clear();
  next_ids_.clear();
  rows_ = 0;
}

/// Rows [begin, begin + rows) of the module of `depth`; their tokens are known, or drafts.
void Drafter::add_rows(Sequence& sequence, i64 depth, i64 begin, i64 rows, const float* states) {
  const i64 known = std::ssize(sequence.ids);
  for (i64 at = begin + depth; at < begin + depth + rows; ++at) {
    next_ids_.push_back(at < known ? sequence.ids[static_cast<size_t>(at)]
                                   : sequence.step_ids[static_cast<size_t>(at - known + 1)]);
  }
  steps_.push_back({.next_tokens = {},
                    .positions_begin = begin,
                    .cache = &sequence.cache,
                    .depth = depth,
                    .logits = model::LogitRows::kLast});
  steps_.back().next_tokens = {next_ids_.data(), static_cast<size_t>(rows)};  // set again by run()
  grow(states_in_, (rows_ + rows) * width());
  std::copy_n(states, rows * width(), states_in_.begin() + rows_ * width());
  rows_ += rows;
}

void Drafter::run(model::StepForm form, bool logits) {
  i64 row = 0;
  for (model::MtpStep& step : steps_) {  // next_ids_ no longer moves
    step.next_tokens = {next_ids_.data() + row, step.next_tokens.size()};
    step.form = form;
    row += std::ssize(step.next_tokens);
  }
  const i64 vocab = model_.config().vocab_size, wanted = std::ssize(steps_);
  grow(states_out_, rows_ * width());
  if (logits) grow(logits_, wanted * vocab);
  model_.mtp_forward(ctx_, steps_, options_,
                     View<const float, 2>(states_in_.data(), {rows_, width()}),
                     logits ? View<float, 2>(logits_.data(), {wanted, vocab}) : View<float, 2>(),
                     View<float, 2>(states_out_.data(), {rows_, width()}));
}

void Drafter::prefilled(Sequence& sequence, i64 begin, View<const float, 2> hidden) {
  const float* states = hidden.data();
  i64 count = hidden.dim(0);
  for (i64 depth = 1; depth <= depths_ && count > 0; ++depth) {
    WaitingStates& waiting = sequence.waiting[static_cast<size_t>(depth - 1)];
    if (waiting.count > 0) {  // of the chunk before, which ended less than `depth` tokens ago
      put(waiting, begin, states, count, width());
      begin = waiting.begin;
      count = waiting.count;
      states = waiting.states.data();
    }
    const i64 known = std::clamp<i64>(std::ssize(sequence.ids) - depth - begin, 0, count);
    clear_batch();
    if (known > 0) {
      add_rows(sequence, depth, begin, known, states);
      run(model::StepForm::kPrefill, /*logits=*/false);
    }
    keep(waiting, begin + known, states + known * width(), count - known);
    std::swap(states_in_, states_out_);
    states = states_in_.data();
    count = known;
  }
}

/// `states` of positions from `begin` on are all that waits; they may be the last ones of those
/// that did.
void Drafter::keep(WaitingStates& waiting, i64 begin, const float* states, i64 count) const {
  grow(waiting.states, count * width());
  std::copy(states, states + count * width(), waiting.states.begin());
  waiting.begin = begin;
  waiting.count = count;
}

void Drafter::decoded(Sequence& sequence, View<const float, 2> hidden, double token_s) {
  WaitingStates& first = sequence.waiting.front();
  put(first, first.begin + first.count, hidden.data(), hidden.dim(0), width());
  if (first.count < kManyStates) return;
  rows_are_cheap_ = row_s_ <= kSmallShare * token_s;
  if (rows_are_cheap_ || times_forgotten_ >= kLookAgain) {
    const Clock::time_point begin = Clock::now();
    const double rows = static_cast<double>(first.count - 1);
    make_known_rows(sequence);
    const double seconds = seconds_since(begin);
    seconds_for_nobody_ += seconds;
    row_s_ = seconds / rows;
    times_forgotten_ = 0;
  } else {
    forget_oldest(sequence);
    ++times_forgotten_;
  }
}

/// The rows of all but the last few waiting states are left out.
void Drafter::forget_oldest(Sequence& sequence) const {
  const WaitingStates& first = sequence.waiting.front();
  const i64 end = first.begin + first.count - kKeptStates;
  if (end <= first.begin) return;
  for (i64 depth = 1; depth <= depths_; ++depth) {
    WaitingStates& waiting = sequence.waiting[static_cast<size_t>(depth - 1)];
    drop_front(waiting, std::min(end - waiting.begin, waiting.count), width());
    waiting.begin = std::max(waiting.begin, end);
    sequence.cache.skip_mtp_rows(depth, end);
  }
}

/// Makes the rows whose tokens are known, at every depth but for the last state's: a draft is made
/// of its row.
void Drafter::make_known_rows(Sequence& sequence) {
  for (i64 depth = 1; depth <= depths_; ++depth) {
    WaitingStates& waiting = sequence.waiting[static_cast<size_t>(depth - 1)];
    const i64 end = std::ssize(sequence.ids) - depth;
    const i64 known = std::min(end - waiting.begin, waiting.count - 1);
    if (known <= 0) continue;
    clear_batch();
    add_rows(sequence, depth, waiting.begin, known, waiting.states.data());
    run(model::StepForm::kPrefill, /*logits=*/false);
    if (depth < depths_) {
      put(sequence.waiting[static_cast<size_t>(depth)], waiting.begin, states_out_.data(), known,
          width());
    }
    drop_front(waiting, known, width());
  }
}

/// One draft of each from the module of `depth`: all its rows that are not final.
void Drafter::run_module(i64 depth) {
  clear_batch();
  for (Drafting& each : drafting_) {
    if (each.tokens < depth) continue;
    const WaitingStates& waiting = each.sequence->waiting[static_cast<size_t>(depth - 1)];
    owners_.push_back(&each);
    add_rows(*each.sequence, depth, waiting.begin, waiting.count, waiting.states.data());
    each.row = rows_ - 1;
  }
  if (owners_.empty()) return;
  run(model::StepForm::kDecode, /*logits=*/true);
  for (Drafting* each : owners_) {
    WaitingStates& waiting = each->sequence->waiting[static_cast<size_t>(depth - 1)];
    if (depth < depths_) {
      const float* states = states_out_.data() + (each->row + 1 - waiting.count) * width();
      put(each->sequence->waiting[static_cast<size_t>(depth)], waiting.begin, states, waiting.count,
          width());
    }
    // The rows whose token was no draft are final.
    const i64 final_end = std::ssize(each->sequence->ids) - depth;
    drop_front(waiting, std::min(final_end - waiting.begin, waiting.count), width());
  }
  take_drafts();
}

/// The draft after that from the last module: its own last state and draft, one position on.
void Drafter::run_last_again(i64 draft) {
  std::swap(states_in_, states_out_);  // add_rows() reads the last states while it writes new ones
  std::vector<float>& last = states_in_;
  clear_batch();
  i64 row = 0;
  for (Drafting& each : drafting_) {
    if (each.tokens < draft) continue;
    owners_.push_back(&each);
    // Rows only move towards the front, in order, so nothing is overwritten before it is read.
    std::copy_n(last.begin() + each.row * width(), width(), last.begin() + row * width());
    const i64 position = std::ssize(each.sequence->ids) - 2 + draft - depths_;
    add_rows(*each.sequence, depths_, position, 1, last.data() + row * width());
    each.row = row++;
  }
  if (owners_.empty()) return;
  run(model::StepForm::kDecode, /*logits=*/true);
  take_drafts();
}

void Drafter::take_drafts() {
  const auto vocab = static_cast<size_t>(model_.config().vocab_size);
  for (size_t i = 0; i < owners_.size(); ++i) {
    const i32 id = argmax({logits_.data() + i * vocab, static_cast<size_t>(num_ids_)});
    if (id < 0) {
      owners_[i]->tokens = 0;
    } else {
      owners_[i]->sequence->step_ids.push_back(id);
    }
  }
}

void Drafter::draft(std::span<const DraftWish> wishes) {
  drafting_.clear();
  i64 most = 0;
  for (const DraftWish& wish : wishes) {
    drafting_.push_back({.sequence = wish.sequence, .tokens = wish.tokens});
    most = std::max(most, wish.tokens);
    if (!rows_are_cheap_) forget_oldest(*wish.sequence);
  }
  for (i64 draft = 1; draft <= most; ++draft) {
    if (draft <= depths_) {
      run_module(draft);
    } else {
      run_last_again(draft);
    }
  }
}

}  // namespace fathom::engine
