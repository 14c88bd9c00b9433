#pragma once
// Internal to schedule/: one function a schedule; make_schedule() is the way in.
#include "plan/schedule/schedule.h"

namespace fathom::plan {

Schedule one_forward_one_backward(i64 ranks, i64 micro_batches);
Schedule interleaved(i64 ranks, i64 micro_batches, i64 chunks_per_rank);
Schedule zero_bubble_h1(i64 ranks, i64 micro_batches);
Schedule dual_pipe(i64 ranks, i64 micro_batches);
Schedule dual_pipe_v(i64 ranks, i64 micro_batches);

/// Appends to one rank's list, counting the micro-batches of each chunk.
class OpWriter {
 public:
  explicit OpWriter(std::vector<ScheduleOp>& ops, size_t chunks)
      : ops_(ops), forward_(chunks, 0), backward_(chunks, 0) {}

  void forward(i64 chunk) { ops_.push_back(next(OpKind::kForward, chunk)); }
  void backward(i64 chunk, bool input_only = false) {
    ops_.push_back(next(input_only ? OpKind::kBackwardInput : OpKind::kBackward, chunk));
  }
  void weight() { ops_.push_back({.kind = OpKind::kBackwardWeight}); }
  void overlapped(i64 forward_chunk, i64 backward_chunk) {
    ScheduleOp op = next(OpKind::kForward, forward_chunk);
    const ScheduleOp back = next(OpKind::kBackward, backward_chunk);
    op.kind = OpKind::kOverlapped;
    op.backward_chunk = back.chunk;
    op.backward_micro_batch = back.micro_batch;
    ops_.push_back(op);
  }

 private:
  ScheduleOp next(OpKind kind, i64 chunk) {
    std::vector<i32>& count = kind == OpKind::kForward ? forward_ : backward_;
    return {.kind = kind,
            .chunk = static_cast<i32>(chunk),
            .micro_batch = count[static_cast<size_t>(chunk)]++};
  }

  std::vector<ScheduleOp>& ops_;
  std::vector<i32> forward_, backward_;  // micro-batches begun, by chunk
};

}  // namespace fathom::plan
