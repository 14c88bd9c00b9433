// Schedules in which every micro-batch goes through the pipeline the same way.
#include <algorithm>

#include "plan/schedule/generators.h"
#include "plan/schedule/interleaved_pairs.h"

namespace fathom::plan {
namespace {

Schedule empty_schedule(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank) {
  Schedule schedule{.name = std::string(to_string(kind)),
                    .ranks = ranks,
                    .stages = ranks * chunks_per_rank,
                    .micro_batches = micro_batches};
  schedule.ops.resize(static_cast<size_t>(ranks));
  for (i64 r = 0; r < ranks; ++r) {
    std::vector<StagePlace>& chunks = schedule.chunks.emplace_back();
    for (i64 c = 0; c < chunks_per_rank; ++c) {
      chunks.push_back({.path = 0, .stage = static_cast<i32>(c * ranks + r)});
    }
  }
  return schedule;
}

/// The i-th pass of an interleaved schedule: groups of P micro-batches go through chunk after
/// chunk; backward passes take the chunks from the last.
ScheduleOp interleaved_op(OpKind kind, i64 i, i64 ranks, i64 chunks) {
  const i64 in_group = i % (ranks * chunks);
  const i64 chunk = in_group / ranks;
  const i64 micro_batch = i / (ranks * chunks) * ranks + in_group % ranks;
  return {.kind = kind,
          .chunk = static_cast<i32>(kind == OpKind::kForward ? chunk : chunks - 1 - chunk),
          .micro_batch = static_cast<i32>(micro_batch)};
}

}  // namespace

Schedule one_forward_one_backward(i64 ranks, i64 micro_batches) {
  Schedule schedule = empty_schedule(ScheduleKind::k1F1B, ranks, micro_batches, 1);
  for (i64 r = 0; r < ranks; ++r) {
    OpWriter writer(schedule.ops[static_cast<size_t>(r)], 1);
    const i64 warm_up = std::min(ranks - 1 - r, micro_batches);
    for (i64 i = 0; i < warm_up; ++i) writer.forward(0);
    for (i64 i = warm_up; i < micro_batches; ++i) {
      writer.forward(0);
      writer.backward(0);
    }
    for (i64 i = 0; i < warm_up; ++i) writer.backward(0);
  }
  return schedule;
}

namespace {

/// With `pairs` one forward more is done first, and then each is one operation with the backward
/// that follows it.
Schedule interleaved_lists(i64 ranks, i64 micro_batches, i64 chunks_per_rank, bool pairs) {
  Schedule schedule =
      empty_schedule(ScheduleKind::kInterleaved, ranks, micro_batches, chunks_per_rank);
  const i64 total = micro_batches * chunks_per_rank;
  for (i64 r = 0; r < ranks; ++r) {
    std::vector<ScheduleOp>& ops = schedule.ops[static_cast<size_t>(r)];
    const i64 wanted =
        chunks_per_rank == 1 ? ranks - 1 - r : (ranks - 1 - r) * 2 + (chunks_per_rank - 1) * ranks;
    const i64 warm_up = std::min(wanted + (pairs ? 1 : 0), total);
    for (i64 i = 0; i < warm_up; ++i) {
      ops.push_back(interleaved_op(OpKind::kForward, i, ranks, chunks_per_rank));
    }
    for (i64 i = 0; i < total; ++i) {
      const bool both = warm_up + i < total;
      const ScheduleOp back = interleaved_op(OpKind::kBackward, i, ranks, chunks_per_rank);
      if (both) {
        ops.push_back(interleaved_op(OpKind::kForward, warm_up + i, ranks, chunks_per_rank));
      }
      if (both && pairs) {
        ops.back().kind = OpKind::kOverlapped;
        ops.back().backward_chunk = back.chunk;
        ops.back().backward_micro_batch = back.micro_batch;
      } else {
        ops.push_back(back);
      }
    }
  }
  return schedule;
}

}  // namespace

Schedule interleaved(i64 ranks, i64 micro_batches, i64 chunks_per_rank) {
  return interleaved_lists(ranks, micro_batches, chunks_per_rank, false);
}

Schedule interleaved_pairs(i64 ranks, i64 micro_batches, i64 chunks_per_rank) {
  return interleaved_lists(ranks, micro_batches, chunks_per_rank, true);
}

Schedule zero_bubble_h1(i64 ranks, i64 micro_batches) {
  Schedule schedule = empty_schedule(ScheduleKind::kZbH1, ranks, micro_batches, 1);
  for (i64 r = 0; r < ranks; ++r) {
    OpWriter writer(schedule.ops[static_cast<size_t>(r)], 1);
    const i64 warm_up = ranks - 1 - r, steady = micro_batches - warm_up;
    i64 weights = 0;
    const auto weight_from = [&](i64 i) {
      if (i < r) return;
      writer.weight();
      ++weights;
    };
    for (i64 i = 0; i < warm_up; ++i) writer.forward(0);
    for (i64 i = 0; i < steady; ++i) {
      writer.forward(0);
      writer.backward(0, /*input_only=*/true);
      weight_from(i);
    }
    for (i64 i = 0; i < warm_up; ++i) {
      writer.backward(0, /*input_only=*/true);
      weight_from(steady + i);
    }
    while (weights < micro_batches) {
      writer.weight();
      ++weights;
    }
  }
  return schedule;
}

}  // namespace fathom::plan
