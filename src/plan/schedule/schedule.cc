#include "plan/schedule/schedule.h"

#include <fmt/format.h>

#include <array>

#include "base/check.h"
#include "plan/schedule/generators.h"

namespace fathom::plan {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"1f1b", "interleaved", "zb-h1", "dualpipe",
                                                    "dualpipev"};

std::string place_text(i32 chunk, i32 micro_batch, bool one_chunk) {
  return one_chunk ? fmt::format("{}", micro_batch) : fmt::format("{}.{}", chunk, micro_batch);
}

std::string too_few(std::string_view what, i64 found, i64 least) {
  return fmt::format("{}: found {}, expected at least {}", what, found, least);
}

std::string dual_problem(ScheduleKind kind, i64 ranks, i64 micro_batches) {
  if (kind == ScheduleKind::kDualPipe) {
    if (ranks % 2 != 0) return fmt::format("ranks: found {}, expected an even number", ranks);
    if (micro_batches % 2 != 0) {
      return fmt::format("micro-batches: found {}, expected an even number", micro_batches);
    }
  }
  if (micro_batches < 2 * ranks) return too_few("micro-batches", micro_batches, 2 * ranks);
  return "";
}

}  // namespace

std::string to_string(const ScheduleOp& op, bool one_chunk) {
  const std::string place = place_text(op.chunk, op.micro_batch, one_chunk);
  switch (op.kind) {
    case OpKind::kForward:
      return "F" + place;
    case OpKind::kBackward:
      return "B" + place;
    case OpKind::kBackwardInput:
      return "I" + place;
    case OpKind::kBackwardWeight:
      return "W";
    case OpKind::kOverlapped:
      return fmt::format("[F{}&B{}]", place,
                         place_text(op.backward_chunk, op.backward_micro_batch, one_chunk));
  }
  return "?";
}

i64 num_operations(const Schedule& schedule) {
  i64 count = 0;
  for (const auto& ops : schedule.ops) count += std::ssize(ops);
  return count;
}

std::string_view to_string(ScheduleKind kind) { return kNames[static_cast<size_t>(kind)]; }

std::string schedule_problem(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank) {
  if (ranks < 1) return too_few("ranks", ranks, 1);
  if (micro_batches < 1) return too_few("micro-batches", micro_batches, 1);
  switch (kind) {
    case ScheduleKind::k1F1B:
      return "";
    case ScheduleKind::kZbH1:
      return micro_batches < ranks ? too_few("micro-batches", micro_batches, ranks) : "";
    case ScheduleKind::kInterleaved:
      if (chunks_per_rank < 1) return too_few("chunks a rank", chunks_per_rank, 1);
      if (micro_batches % ranks != 0) {
        return fmt::format("micro-batches: found {}, expected a multiple of {} ranks",
                           micro_batches, ranks);
      }
      return "";
    case ScheduleKind::kDualPipe:
    case ScheduleKind::kDualPipeV:
      return dual_problem(kind, ranks, micro_batches);
  }
  return "";
}

Schedule make_schedule(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank) {
  const std::string problem = schedule_problem(kind, ranks, micro_batches, chunks_per_rank);
  FATHOM_CHECK(problem.empty(), problem);
  switch (kind) {
    case ScheduleKind::k1F1B:
      return one_forward_one_backward(ranks, micro_batches);
    case ScheduleKind::kInterleaved:
      return interleaved(ranks, micro_batches, chunks_per_rank);
    case ScheduleKind::kZbH1:
      return zero_bubble_h1(ranks, micro_batches);
    case ScheduleKind::kDualPipe:
      return dual_pipe(ranks, micro_batches);
    case ScheduleKind::kDualPipeV:
      return dual_pipe_v(ranks, micro_batches);
  }
  return {};
}

}  // namespace fathom::plan
