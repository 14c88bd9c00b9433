#pragma once
// Drives the scheduler as the engine does, with a clock that only the costs of the steps move, a
// machine that is a formula and pages that are a count. After every step it checks what must always
// hold: a broken invariant fails the test that runs it, with the time at which it broke.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "engine/schedule/scheduler.h"
#include "engine/schedule/test_machine.h"

namespace fathom::engine {

/// What a request does, and what became of it.
struct Scripted {
  Request request{};
  double at_s = 0;
  i64 length = 16;        // tokens after which it ends by itself
  i64 cached_tokens = 0;  // that the cache has when it starts first
  double cancel_s = std::numeric_limits<double>::infinity();
  double block_s = std::numeric_limits<double>::infinity();
  double unblock_s = std::numeric_limits<double>::infinity();

  enum class End { kNone, kRefused, kFinished, kCancelled, kSlowReader, kWallClock };
  End end = End::kNone;
  Admission admission{};
  double start_s = -1, first_token_s = -1, end_s = -1;
  double last_token_s = -1, longest_gap_s = 0, longest_gap_over_target = 0;
  double progress_s = -1, longest_stall_s = 0;  // of its prefill, once started
  i64 generated = 0;
  int preemptions = 0;
};

class Simulator {
 public:
  Simulator(const SchedulerLimits& limits, Machine machine, double wrong = 1)
      : limits_(limits),
        machine_(std::move(machine)),
        scheduler_(limits, machine_.measured(wrong)) {}

  /// Pages for so many tokens; without a call there are always enough.
  void set_pages(i64 pages) { num_pages_ = pages; }
  size_t add(Scripted script) {
    script.request.max_new_tokens = std::max(script.request.max_new_tokens, script.length);
    scripts_.push_back(script);
    return scripts_.size() - 1;
  }
  /// Until nothing is left to do, or to `until_s`.
  void run(double until_s = std::numeric_limits<double>::infinity()) {
    while (now_s_ < until_s && !::testing::Test::HasFailure()) {
      deliver_events();
      if (!step()) {
        const double next_s = std::min(next_event_s(), scheduler_.next_expiry_s());
        if (!std::isfinite(next_s)) break;
        now_s_ = std::max(now_s_, std::min(next_s, until_s));
      }
      check_invariants();
    }
    if (!std::isfinite(until_s)) check_all_ended();
  }

  const Scripted& of(size_t i) const { return scripts_[i]; }
  const std::vector<Scripted>& all() const { return scripts_; }
  Scheduler& scheduler() { return scheduler_; }
  double now_s() const { return now_s_; }
  i64 steps() const { return steps_; }
  /// Of the steps that decode while a prompt is read: their decode passes, and the whole of them.
  double decode_only_s() const { return decode_only_s_; }
  double decode_steps_s() const { return decode_steps_s_; }

 private:
  using End = Scripted::End;

  Scripted& script(RequestId id) { return scripts_[by_slot_.at(id.slot)]; }
  static i64 pages_for(i64 tokens) { return (tokens + 63) / 64; }
  i64 used_pages() const {
    return std::accumulate(held_.begin(), held_.end(), i64{0},
                           [](i64 sum, const auto& held) { return sum + held.second; });
  }
  bool grow(u32 slot, i64 tokens) {
    const i64 more = std::max<i64>(pages_for(tokens - shared_[slot]) - held_[slot], 0);
    if (used_pages() + more > num_pages_) return false;
    held_[slot] += more;
    return true;
  }

  void end(Scripted& s, End how) {
    s.end = how;
    s.end_s = now_s_;
    held_.erase(s.admission.id.slot);
    shared_.erase(s.admission.id.slot);
    by_slot_.erase(s.admission.id.slot);
  }
  void cancel(Scripted& s, End how) {
    const i64 before = scheduler_.num_waiting() + scheduler_.num_running();
    ASSERT_TRUE(scheduler_.cancel(s.admission.id));
    EXPECT_EQ(scheduler_.num_waiting() + scheduler_.num_running(), before - 1);
    EXPECT_FALSE(scheduler_.cancel(s.admission.id)) << "an id that left names nobody";
    end(s, how);
  }

  static bool lives(const Scripted& s) { return s.end == End::kNone && s.admission.id.generation; }
  void deliver_events() {
    for (size_t i = 0; i < scripts_.size(); ++i) {
      Scripted& s = scripts_[i];
      if (s.end == End::kNone && !s.admission.id.generation && s.at_s <= now_s_) submit(i);
      if (!lives(s)) continue;
      const bool blocked = s.block_s <= now_s_ && now_s_ < s.unblock_s;
      scheduler_.set_blocked(s.admission.id, blocked, now_s_);
      if (blocked) s.last_token_s = s.progress_s = -1;
      if (s.cancel_s <= now_s_) cancel(s, End::kCancelled);
    }
  }
  void submit(size_t i) {
    Scripted& s = scripts_[i];
    s.admission = scheduler_.submit(s.request, now_s_);
    if (s.admission.outcome == AdmissionOutcome::kAccepted) {
      by_slot_[s.admission.id.slot] = i;
    } else {
      s.end = End::kRefused;
      s.end_s = now_s_;
    }
  }
  double next_event_s() const {
    double next_s = std::numeric_limits<double>::infinity();
    const auto consider = [&](double at_s) {
      if (at_s > now_s_) next_s = std::min(next_s, at_s);
    };
    for (const Scripted& s : scripts_) {
      if (s.end != End::kNone) continue;
      consider(s.at_s);
      consider(s.cancel_s);
      consider(s.block_s);
      consider(s.unblock_s);
    }
    return next_s;
  }

  void start_waiting() {
    while (const auto turn = scheduler_.next_to_start(now_s_)) {
      const i64 total = scheduler_.total_tokens(turn->id);
      if (used_pages() + pages_for(turn->tokens_to_hold) > num_pages_) break;
      shared_.erase(turn->id.slot);
      ASSERT_TRUE(grow(turn->id.slot, turn->reserve ? turn->tokens_to_hold : total));
      Scripted& s = script(turn->id);
      scheduler_.start(turn->id, s.start_s < 0 ? s.cached_tokens : 0, now_s_);
      if (s.start_s < 0) s.start_s = now_s_;
      s.progress_s = now_s_;
    }
  }

  /// Pages for the tokens of this step, by preemption if there are none.
  const StepPlan& plan() {
    for (;;) {
      const StepPlan& plan = scheduler_.plan_step(now_s_);
      const auto starved = std::find_if(
          plan.decoding.begin(), plan.decoding.end(),
          [this](RequestId id) { return !grow(id.slot, scheduler_.total_tokens(id)); });
      if (starved == plan.decoding.end()) return plan;
      const auto victim = scheduler_.victim();
      if (!victim) {
        ADD_FAILURE() << "no pages and no victim at " << now_s_;
        return plan;
      }
      ++script(*victim).preemptions;
      script(*victim).last_token_s = -1;
      script(*victim).progress_s = -1;
      held_.erase(victim->slot);
      shared_.erase(victim->slot);
      scheduler_.preempt(*victim, now_s_);
    }
  }

  /// False: there was nothing to do.
  bool step() {
    const auto expired = scheduler_.expired(now_s_);
    for (const Expired& each : std::vector<Expired>(expired.begin(), expired.end())) {
      cancel(script(each.id),
             each.reason == ExpiredReason::kWallClock ? End::kWallClock : End::kSlowReader);
    }
    start_waiting();
    const StepPlan& plan = this->plan();
    check_plan(plan);
    ++steps_;
    const double began_s = now_s_;
    const bool decodes = !plan.decoding.empty(), beside_a_prompt = !plan.chunk.empty();
    decoding_.assign(plan.decoding.begin(), plan.decoding.end());
    double decode_only_s = decodes ? decode(decoding_) : 0;
    const i64 layers = run_layers(decodes, &decode_only_s);
    if (decodes && beside_a_prompt) {
      decode_only_s_ += decode_only_s;
      decode_steps_s_ += now_s_ - began_s;
    }
    return decodes || layers > 0;
  }

  double decode(std::span<const RequestId> ids) {
    i64 pairs = 0;
    for (const RequestId id : ids) pairs += scheduler_.total_tokens(id);
    const double seconds = machine_.decode(std::ssize(ids), pairs, now_s_);
    target_s_ = std::max(limits_.target_decodes * seconds, limits_.target_s);
    now_s_ += seconds;
    scheduler_.after_decode(std::ssize(ids), pairs, seconds);
    for (const RequestId id : ids) emit(id);
    return seconds;
  }
  void emit(RequestId id) {
    Scripted& s = script(id);
    scheduler_.decoded(id, 1);
    ++s.generated;
    if (s.first_token_s < 0) s.first_token_s = now_s_;
    if (s.last_token_s >= 0) {
      const double gap_s = now_s_ - s.last_token_s;
      s.longest_gap_s = std::max(s.longest_gap_s, gap_s);
      s.longest_gap_over_target = std::max(s.longest_gap_over_target, gap_s / target_s_);
    }
    s.last_token_s = now_s_;
    if (s.generated < s.length) return;
    ASSERT_TRUE(scheduler_.finish(id));
    end(s, End::kFinished);
  }

  /// Where a layer can pause: those who decode go on, if they have pages. Returns the seconds.
  double pause(double layers_s) {
    double seconds = 0;
    if (!scheduler_.slice_is_over(layers_s)) return seconds;
    scheduler_.pause_layers(layers_s);
    do {
      std::erase_if(decoding_, [this](RequestId id) {
        return scheduler_.phase(id) != Phase::kDecode ||
               !grow(id.slot, scheduler_.total_tokens(id));
      });
      if (decoding_.empty()) return seconds;
      seconds += decode(decoding_);
    } while (scheduler_.slice_is_over(layers_s));
    return seconds;
  }
  /// All but attention in one go, attention in parts. Returns the seconds without those of pauses.
  double run_layer(const ChunkSize& size, double before_s, double* decode_only_s) {
    constexpr int kParts = 16;
    double seconds = 0;
    for (int part = 0; part <= kParts; ++part) {
      const double base_s = machine_.layer(size.tokens, 0, now_s_);
      const double part_s =
          part == 0 ? base_s : (machine_.layer(size.tokens, size.pairs, now_s_) - base_s) / kParts;
      now_s_ += part_s;
      seconds += part_s;
      if (part == 0) scheduler_.after_layer_part(part_s);
      *decode_only_s += pause(before_s + seconds);
    }
    return seconds;
  }

  i64 run_layers(bool decodes, double* decode_only_s) {
    double layers_s = 0;
    const std::vector<ChunkItem> chunk(chunk_under_way().begin(), chunk_under_way().end());
    const ChunkSize size = chunk_size(chunk, limits_.pairs_per_held_token);
    i64 layers = 0;
    while (scheduler_.run_another_layer(layers_s, layers)) {
      layers_s += run_layer(size, layers_s, decode_only_s);
      ++layers;
      // An engine on which nobody waits for a token listens between layers.
      if (!decodes && next_event_before(now_s_)) break;
    }
    for (const ChunkItem& item : scheduler_.after_layers(layers, layers_s, now_s_)) {
      progress(script(item.id));
      if (!item.last) continue;
      fork(item.id);
      emit(item.id);
    }
    return layers;
  }
  /// The further continuations of its prompt.
  void fork(RequestId id) {
    const size_t parent = by_slot_.at(id.slot);
    for (; scripts_[parent].request.sequences > 1; --scripts_[parent].request.sequences) {
      const RequestId child = scheduler_.fork(id, now_s_);
      by_slot_[child.slot] = scripts_.size();
      scripts_.push_back(scripts_[parent]);
      scripts_.back().request.sequences = 1;
      scripts_.back().admission.id = child;
      shared_[child.slot] = scripts_[parent].request.prompt_tokens / 64 * 64;
      held_[child.slot] = 0;
      emit(child);
    }
  }
  std::span<const ChunkItem> chunk_under_way() const { return scheduler_.chunk(); }
  bool next_event_before(double at_s) const {
    return std::any_of(scripts_.begin(), scripts_.end(), [at_s](const Scripted& s) {
      return s.end == End::kNone &&
             ((!s.admission.id.generation && s.at_s <= at_s) || s.cancel_s <= at_s);
    });
  }
  void progress(Scripted& s) {
    if (s.progress_s >= 0) s.longest_stall_s = std::max(s.longest_stall_s, now_s_ - s.progress_s);
    s.progress_s = now_s_;
  }

  void check_plan(const StepPlan& plan) {
    i64 tokens = 0;
    std::vector<u32> slots;
    for (const RequestId id : plan.decoding) {
      EXPECT_EQ(scheduler_.phase(id), Phase::kDecode) << "at " << now_s_;
      slots.push_back(id.slot);
    }
    for (const ChunkItem& item : plan.chunk) {
      EXPECT_EQ(scheduler_.phase(item.id), Phase::kPrefill) << "at " << now_s_;
      EXPECT_GE(item.tokens, 1);
      EXPECT_EQ(item.last, item.begin + item.tokens == scheduler_.total_tokens(item.id));
      tokens += item.tokens;
      slots.push_back(item.id.slot);
    }
    EXPECT_LE(tokens, limits_.chunk_tokens);
    std::sort(slots.begin(), slots.end());
    EXPECT_EQ(std::adjacent_find(slots.begin(), slots.end()), slots.end()) << "twice in a step";
    EXPECT_LE(plan.first_layer + plan.layers, limits_.num_layers);
  }

  void check_invariants() {
    i64 waiting = 0, running = 0;
    for (const Scripted& s : scripts_) {
      const auto phase = scheduler_.phase(s.admission.id);
      ASSERT_EQ(phase.has_value(), lives(s)) << "at " << now_s_;
      if (!phase) continue;
      ASSERT_EQ(scheduler_.total_tokens(s.admission.id), s.request.prompt_tokens + s.generated);
      ASSERT_EQ(held_.count(s.admission.id.slot), *phase == Phase::kWaiting ? 0u : 1u);
      ++(*phase == Phase::kWaiting ? waiting : running);
    }
    ASSERT_EQ(scheduler_.num_waiting(), waiting) << "at " << now_s_;
    ASSERT_EQ(scheduler_.num_running(), running) << "at " << now_s_;
    ASSERT_LE(running, limits_.max_running);
    ASSERT_LE(used_pages(), num_pages_);
  }
  void check_all_ended() {
    for (const Scripted& s : scripts_) {
      ASSERT_NE(s.end, End::kNone) << "submitted at " << s.at_s << ", forgotten at " << now_s_;
      if (s.end == End::kFinished) {
        ASSERT_EQ(s.generated, s.length);
      }
    }
    ASSERT_TRUE(held_.empty());
    ASSERT_FALSE(scheduler_.has_work());
    const SchedulerCounters& c = scheduler_.counters();
    ASSERT_EQ(c.accepted + c.forked, c.finished + c.cancelled[0] + c.cancelled[1] + c.cancelled[2]);
  }

  SchedulerLimits limits_;
  Machine machine_;
  Scheduler scheduler_;
  std::vector<Scripted> scripts_;
  std::vector<RequestId> decoding_;  // of this step
  std::map<u32, size_t> by_slot_;
  std::map<u32, i64> held_;    // pages by slot
  std::map<u32, i64> shared_;  // tokens by slot that lie in pages of the first continuation
  i64 num_pages_ = std::numeric_limits<i64>::max() / 2;
  double now_s_ = 0;
  double target_s_ = 0;
  i64 steps_ = 0;
  double decode_only_s_ = 0, decode_steps_s_ = 0;
};

}  // namespace fathom::engine
