// DualPipe and DualPipeV: the same eight steps. Source: DeepSeek-V3 §3.2.1, deepseek-ai/DualPipe.
#include <algorithm>

#include "plan/schedule/generators.h"

namespace fathom::plan {
namespace {

/// What the eight steps need to know of a rank.
struct DualRank {
  i64 near = 0;   // ranks between it and the middle: H-h-1, or P-r-1
  i64 own = 0;    // h, or r
  i64 pairs = 0;  // of step 4
  bool middle = false;
  i64 x = 0;  // chunk of the direction that begins on this half
  i64 y = 1;
};

void write_warm_up(OpWriter& writer, const DualRank& rank) {
  for (i64 i = 0; i < 2 * rank.near; ++i) writer.forward(rank.x);
  for (i64 i = 0; i < rank.own + 1; ++i) {
    writer.forward(rank.x);
    writer.forward(rank.y);
  }
  for (i64 i = 0; i < rank.near; ++i) {
    writer.backward(rank.y, /*input_only=*/true);
    writer.weight();
    writer.forward(rank.y);
  }
}

void write_steady(OpWriter& writer, const DualRank& rank) {
  for (i64 i = 0; i < rank.pairs; ++i) {
    if (i == 0 && rank.middle) {  // apart, which makes the bubble smaller
      writer.forward(rank.x);
      writer.backward(rank.y);
    } else {
      writer.overlapped(rank.x, rank.y);
    }
    writer.overlapped(rank.y, rank.x);
  }
  for (i64 i = 0; i < rank.near; ++i) {
    writer.backward(rank.y);
    writer.overlapped(rank.y, rank.x);
  }
}

/// Weight work begins to be put off in the midst of these.
void write_cool_down(OpWriter& writer, const DualRank& rank) {
  const i64 count = rank.own + 1;
  bool input_only = false;
  for (i64 i = 0; i < count; ++i) {
    if (i == count / 2 && rank.own % 2 == 1) input_only = true;
    writer.backward(rank.y, input_only);
    if (i == count / 2 && rank.own % 2 == 0) input_only = true;
    writer.backward(rank.x, input_only);
  }
  for (i64 i = 0; i < rank.near; ++i) {
    writer.weight();
    writer.backward(rank.x, /*input_only=*/true);
  }
  for (i64 i = 0; i < count; ++i) writer.weight();
}

void write_rank(std::vector<ScheduleOp>& ops, const DualRank& rank) {
  OpWriter writer(ops, 2);
  write_warm_up(writer, rank);
  write_steady(writer, rank);
  write_cool_down(writer, rank);
}

}  // namespace

Schedule dual_pipe(i64 ranks, i64 micro_batches) {
  Schedule schedule{.name = std::string(to_string(ScheduleKind::kDualPipe)),
                    .ranks = ranks,
                    .stages = ranks,
                    .micro_batches = micro_batches,
                    .paths = 2};
  const i64 half = ranks / 2;
  for (i64 r = 0; r < ranks; ++r) {
    const i64 h = std::min(r, ranks - 1 - r);
    schedule.chunks.push_back({{.path = 0, .stage = static_cast<i32>(r)},
                               {.path = 1, .stage = static_cast<i32>(ranks - 1 - r)}});
    const i64 x = r < half ? 0 : 1;
    write_rank(schedule.ops.emplace_back(), {.near = half - h - 1,
                                             .own = h,
                                             .pairs = micro_batches / 2 - ranks + h + 1,
                                             .middle = r == half - 1 || r == half,
                                             .x = x,
                                             .y = 1 - x});
  }
  return schedule;
}

Schedule dual_pipe_v(i64 ranks, i64 micro_batches) {
  Schedule schedule{.name = std::string(to_string(ScheduleKind::kDualPipeV)),
                    .ranks = ranks,
                    .stages = 2 * ranks,
                    .micro_batches = micro_batches};
  for (i64 r = 0; r < ranks; ++r) {
    schedule.chunks.push_back({{.path = 0, .stage = static_cast<i32>(r)},
                               {.path = 0, .stage = static_cast<i32>(2 * ranks - 1 - r)}});
    write_rank(schedule.ops.emplace_back(), {.near = ranks - r - 1,
                                             .own = r,
                                             .pairs = micro_batches - 2 * ranks + r + 1,
                                             .middle = r == ranks - 1});
  }
  return schedule;
}

}  // namespace fathom::plan
