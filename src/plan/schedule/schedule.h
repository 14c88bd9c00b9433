#pragma once
// Pipeline schedules as data: for each rank the list of what it does, in order. Transfers are
// implied: a forward's output goes to the next stage, an input gradient to the previous one.
// Whoever executes a list posts its receives as early as the list allows.
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::plan {

enum class OpKind {
  kForward,         // F
  kBackward,        // B: input and weight gradients
  kBackwardInput,   // I: input gradients alone; the weight work stays pending
  kBackwardWeight,  // W: the oldest pending weight work, first in first out
  kOverlapped       // [F & B]: a forward of one chunk beside a backward of another
};

/// `chunk`: which of the model chunks on this rank; in DualPipe the direction (a rank's chunk d is
/// the stage that it holds of direction d), in interleaved schedules and DualPipeV the round.
struct ScheduleOp {
  OpKind kind = OpKind::kForward;
  i32 chunk = 0;
  i32 micro_batch = 0;
  i32 backward_chunk = 0;  // of kOverlapped: whose B
  i32 backward_micro_batch = 0;

  bool operator==(const ScheduleOp&) const = default;
};

/// "F0.3", "B1.0", "I1.2", "W", "[F0.7&B1.3]"; without the chunk ("F3") if `one_chunk`.
std::string to_string(const ScheduleOp& op, bool one_chunk = false);

struct StagePlace {
  i32 path = 0;   // which way through the pipeline: DualPipe has two, all others one
  i32 stage = 0;  // place on that way; stage s holds the s-th part of the model
};

struct Schedule {
  std::string name;
  i64 ranks = 0;
  i64 stages = 0;         // of the model; DualPipe holds each twice
  i64 micro_batches = 0;  // of all paths together
  i64 paths = 1;
  std::vector<std::vector<StagePlace>> chunks;  // [rank][chunk]
  std::vector<std::vector<ScheduleOp>> ops;     // [rank], in order

  i64 micro_batches_per_path() const { return micro_batches / paths; }
  /// 1 / this share of the model is on a rank: P, or P/2 for DualPipe.
  i64 chunks_per_rank() const { return chunks.empty() ? 0 : std::ssize(chunks.front()); }
};

/// Of all ranks.
i64 num_operations(const Schedule& schedule);

enum class ScheduleKind { k1F1B, kInterleaved, kZbH1, kDualPipe, kDualPipeV };
std::string_view to_string(ScheduleKind kind);  // "1f1b", "interleaved", "zb-h1", ...

/// What `kind` cannot do with these numbers, or "".
std::string schedule_problem(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank);

/// The lists. The numbers must fit (schedule_problem). `chunks_per_rank` counts for kInterleaved
/// alone.
///   1F1B         PipeDream-flush. F x (P-1-r), then F and B in turn, then B
///   interleaved  Megatron-LM: chunk c of rank r is stage c P + r; micro-batches a multiple of P
///   ZB-H1        Qi et al. 2023: as 1F1B with I, and W from the r-th on
///   DualPipe     DeepSeek-V3 3.2.1 and deepseek-ai/DualPipe: both directions at once; P and M
///   even,
///                M >= 2P
///   DualPipeV    the same cut in half: stages r and 2P-1-r on rank r; M >= 2P
Schedule make_schedule(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank = 1);

/// What is wrong with a schedule, one sentence each: a pass that is missing, doubled or before what
/// it needs, weight work left over or taken before there is any, a deadlock. Empty: it is complete
/// and ends.
std::vector<std::string> check_schedule(const Schedule& schedule);

}  // namespace fathom::plan
