#pragma once
// Who runs: admission, fair turns, the steps of decoding and prefill, preemption and the limits.
//
// Pure policy: no threads, no clock (the caller says what time it is, in seconds from any start),
// no pages, no model. One step of the engine that calls it:
//
//   for each of expired(now): end it and cancel(id)       slow readers, the wall clock
//   while (turn = next_to_start(now))                     whose turn it is
//     if its pages fit: start(turn->id, cached, now), else break
//   plan = plan_step(now)
//   pages for plan.decoding, else preempt(victim())       the victim may be one of them
//   one pass over plan.decoding, after_decode(...)
//   decoded(...) and finish(...) for each
//   drafts for the next pass, after_drafts(...)
//   while (run_another_layer(...)) the next layer of plan.chunk; wherever it can pause:
//     if slice_is_over(...): pause_layers(...), then decode again as above until it is not
//   completed = after_layers(...)                         those now have their first logits
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/schedule/cost_curve.h"
#include "engine/schedule/fair_queue.h"
#include "engine/schedule/limits.h"
#include "engine/schedule/prefill_chunk.h"
#include "engine/schedule/scheduler_types.h"
#include "engine/schedule/step_budget.h"

namespace fathom::engine {

class Scheduler {
 public:
  Scheduler(const SchedulerLimits& limits, CostModel cost);

  /// Takes a request into the queue, or refuses it at once. That it fits at all, alone, the caller
  /// has checked.
  Admission submit(const Request& request, double now_s);
  /// Leaves in any phase; at once, a chunk under way goes on without it. Unknown ids: false.
  bool cancel(RequestId id);
  bool finish(RequestId id);

  /// Whose turn it is, if a row is free.
  std::optional<Turn> next_to_start(double now_s) const;
  /// The first `cached_tokens` of its tokens are in its pages already. At least one must not be:
  /// its logits are wanted.
  void start(RequestId id, i64 cached_tokens, double now_s);
  /// A started prompt waits for what another's computes: it is in no chunk until resume(). Neither
  /// may have run.
  void defer(RequestId id);
  /// Its pages hold `cached_tokens` by now.
  void resume(RequestId id, i64 cached_tokens, double now_s);
  /// One more continuation (Request::sequences) of a request that decodes: a sequence of its own.
  RequestId fork(RequestId parent, double now_s);

  /// Valid until the next plan_step(); ids in `decoding` may have left since.
  const StepPlan& plan_step(double now_s);
  /// The decode pass took `seconds` for `rows` tokens that saw `pairs` keys in all.
  void after_decode(i64 rows, i64 pairs, double seconds);
  /// A pass of the draft module for `rows` sequences took `seconds`: part of decoding.
  void after_drafts(i64 rows, double seconds);
  /// `tokens` were added to the text of a sequence.
  void decoded(RequestId id, i64 tokens);
  /// Whether another layer of the chunk fits. In this step `layers_run` layers took `layers_s`.
  bool run_another_layer(double layers_s, i64 layers_run) const;
  /// Whether those who decode have waited long enough for a layer that is still running: it and the
  /// ones before it took `layers_s`.
  bool slice_is_over(double layers_s) const;
  /// Another decode pass follows, in the midst of a layer.
  void pause_layers(double layers_s);
  /// Layers of the chunk under way that are still to run.
  i64 layers_left() const { return limits_.num_layers - layers_done_; }
  /// The longest part without a pause of a layer of the chunk took `seconds`.
  void after_layer_part(double seconds);
  /// `layers` of the chunk ran in `seconds`. The items of the chunk if that was its last layer
  /// (those with `last` decode from now on), else none; valid until the next plan_step().
  std::span<const ChunkItem> after_layers(i64 layers, double seconds, double now_s);

  /// Who gives up its pages when there are none: the lowest priority, then one whose reader is
  /// blocked, then the least computed work (it costs least to do again), then the newest. Never one
  /// that was preempted max_preemptions times; none: no other is left.
  std::optional<RequestId> victim() const;
  /// Back to the head of its queue, with what it generated as part of its prompt.
  void preempt(RequestId id, double now_s);

  /// Its reader takes nothing more for now: it is not scheduled. Unknown ids are passed over.
  void set_blocked(RequestId id, bool blocked, double now_s);
  /// Requests that are to be cancelled now; valid until the next call.
  std::span<const Expired> expired(double now_s);
  /// When expired() will have something, if nothing else happens; infinity: never.
  double next_expiry_s() const;

  std::optional<Phase> phase(RequestId id) const;
  /// StepPlan::decoding of this step.
  std::span<const RequestId> decoding() const { return decoding_; }
  /// The chunk under way, less what left since it was planned.
  std::span<const ChunkItem> chunk() const { return chunk_; }
  /// Prompt and generated tokens.
  i64 total_tokens(RequestId id) const { return slot(id).total(); }
  i64 num_waiting() const { return queue_.size(); }
  i64 num_running() const { return static_cast<i64>(running_.size()); }
  bool has_work() const { return num_waiting() + num_running() > 0; }
  double estimated_wait_s(const Request& request) const;
  /// Start of the last step: what a watchdog compares with its clock while has_work().
  double last_step_s() const { return last_step_s_; }
  const SchedulerCounters& counters() const { return counters_; }
  const CostModel& cost() const { return cost_; }
  CostModel& cost() { return cost_; }

 private:
  struct Slot {
    u32 generation = 1;
    bool used = false;
    Request request{};
    Phase phase = Phase::kWaiting;
    i64 rows = 1;      // that it holds, or will: its own and those of continuations to come
    i64 computed = 0;  // tokens in its pages
    i64 generated = 0;
    i64 work = 0;     // tokens computed since it started: lost when it is preempted
    i64 prepaid = 0;  // tokens charged at the start and not computed yet
    int preemptions = 0;
    double submitted_s = 0;
    double progress_s = 0;
    double blocked_s = 0;  // since when
    bool blocked = false;
    bool deferred = false;
    i64 total() const { return request.prompt_tokens + generated; }
  };

  const Slot* find(RequestId id) const;
  Slot* find(RequestId id) { return const_cast<Slot*>(std::as_const(*this).find(id)); }
  const Slot& slot(RequestId id) const;
  Slot& slot(RequestId id) { return const_cast<Slot&>(std::as_const(*this).slot(id)); }
  RequestId take_slot(const Request& request, double now_s);
  void release(RequestId id);
  void stop_running(RequestId id, const Slot& slot);

  AdmissionOutcome decide(const Request& request, double wait_s) const;
  double work_s(i64 prompt_tokens, double decoded_tokens) const;
  double running_work_s() const;
  double limit_s(const Slot& slot) const;

  i64 collect_decoding();
  void collect_pending(double now_s);
  void form_chunk(double now_s);
  double chunk_patience_s() const;
  double layer_s() const;
  double layer_part_s() const;
  void grant_slice();
  void leave_chunk(RequestId id);
  void prompt_computed(const ChunkItem& item, double now_s);

  SchedulerLimits limits_;
  CostModel cost_;
  FairQueue queue_;
  StepBudget budget_;
  std::vector<Slot> slots_;
  std::vector<u32> free_slots_;
  std::vector<RequestId> running_;  // in the order in which they started
  i64 running_rows_ = 0;

  StepPlan plan_{};
  std::vector<RequestId> decoding_;
  std::vector<PendingPrefill> pending_;
  std::vector<ChunkItem> chunk_;
  std::vector<ChunkItem> completed_;
  i64 layers_done_ = 0;          // of the chunk under way
  bool did_decode_ = false;      // in this step
  double decode_s_ = 0;          // estimate for the decode pass of this step and its drafts
  double decode_elapsed_s_ = 0;  // what they took
  double slice_s_ = 0;           // that layers may take until those who decode are next
  double paused_s_ = 0;          // what layers of this step took before the last pause

  std::vector<Expired> expired_;
  double mean_generated_ = 256;  // tokens of a finished request
  double last_step_s_ = 0;
  SchedulerCounters counters_{};
};

}  // namespace fathom::engine
