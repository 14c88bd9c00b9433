#pragma once
// Plays a schedule with given times: when each operation runs, bubbles, what is alive.
#include <array>
#include <vector>

#include "plan/schedule/schedule.h"
#include "plan/units/quantity.h"

namespace fathom::plan {

/// Of one stage of the model.
struct StageTimes {
  Seconds forward;
  Seconds backward_input;
  Seconds backward_weight;
  Seconds backward;  // both at once
};

struct OpTimes {
  std::vector<StageTimes> stages;
  /// [forward stage][backward stage]: an overlapped pair.
  std::vector<std::vector<Seconds>> overlapped;
  Seconds transfer;  // of a chunk's activations to the next stage

  /// All stages alike.
  static OpTimes uniform(i64 stages, const StageTimes& times, Seconds overlapped);
};

struct OpSpan {
  Seconds start;
  Seconds end;
};

struct Timeline {
  std::vector<std::vector<OpSpan>> spans;  // [rank][op], as Schedule::ops
  std::vector<Seconds> bubble;             // [rank]: makespan less the time of its operations
  std::vector<std::array<i32, 2>> order;   // {rank, op}: each behind all that it needs
  Seconds makespan;
  bool complete = true;  // false: a deadlock; the spans of what never ran are empty
  Seconds largest_bubble() const;
};

/// An operation starts when its rank is free and what it needs has arrived: of a forward the
/// previous stage's forward, of a backward the next stage's backward (at the last stage its own
/// forward).
Timeline play(const Schedule& schedule, const OpTimes& times);

/// The same with the time of each operation given, [rank][op].
Timeline play(const Schedule& schedule, const std::vector<std::vector<Seconds>>& op_times,
              Seconds transfer);

/// [rank][op]
std::vector<std::vector<Seconds>> op_times(const Schedule& schedule, const OpTimes& times);

/// The most of a rank's chunks that are between their forward and their (input) backward at a time;
/// each weighs weight[stage], 1 each if empty.
double peak_alive(const Schedule& schedule, i64 rank, const std::vector<double>& weight = {});
/// The most weight work that is pending on a rank at a time.
i64 peak_pending_weights(const Schedule& schedule, i64 rank);

/// What the published formulas say is idle on a rank, for equal stages:
///   1F1B (P-1)(F+B)   interleaved (P-1)(F+B)/v, of a rank's v chunks   ZB-H1 (P-1)(F+B-2W)
///   DualPipe (P/2-1)(FB+B-3W)   DualPipeV (P-1)(FB+B-3W), of half-size chunks
/// With unequal times of F, B, W and FB an upper bound for the last two.
Seconds closed_form_bubble(ScheduleKind kind, i64 ranks, const StageTimes& stage,
                           Seconds overlapped);
/// The bubble and every rank's own work.
Seconds closed_form_makespan(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank,
                             const StageTimes& stage, Seconds overlapped);

}  // namespace fathom::plan
