#include "plan/schedule/playback.h"

#include <algorithm>

namespace fathom::plan {
namespace {

constexpr Seconds kNotYet(-1.0);

/// Runs every rank's list as far as it goes, until nothing moves.
class Player {
 public:
  Player(const Schedule& schedule, const std::vector<std::vector<Seconds>>& times, Seconds transfer)
      : s_(schedule), times_(times), transfer_(transfer) {
    const auto cells = static_cast<size_t>(s_.paths * s_.stages * s_.micro_batches_per_path());
    forward_end_.assign(cells, kNotYet);
    backward_end_.assign(cells, kNotYet);
    next_.assign(static_cast<size_t>(s_.ranks), 0);
    free_.assign(static_cast<size_t>(s_.ranks), Seconds());
  }

  Timeline run() {
    Timeline timeline;
    for (const auto& ops : s_.ops) timeline.spans.emplace_back(ops.size());
    bool moved = true;
    while (moved) {
      moved = false;
      for (i64 r = 0; r < s_.ranks; ++r) {
        while (run_next(static_cast<size_t>(r), timeline)) moved = true;
      }
    }
    finish(timeline);
    return timeline;
  }

 private:
  struct Needs {
    Seconds ready;
    bool known = true;
  };

  StagePlace place(size_t rank, i32 chunk) const {
    return s_.chunks[rank][static_cast<size_t>(chunk)];
  }
  size_t cell(StagePlace at, i32 micro_batch) const {
    return static_cast<size_t>((at.path * s_.stages + at.stage) * s_.micro_batches_per_path() +
                               micro_batch);
  }
  void need(Needs& needs, Seconds end, Seconds transfer) const {
    if (end == kNotYet) {
      needs.known = false;
    } else {
      needs.ready = larger(needs.ready, end + transfer);
    }
  }
  void need_forward(Needs& needs, StagePlace at, i32 k) const {
    if (at.stage == 0) return;
    --at.stage;
    need(needs, forward_end_[cell(at, k)], transfer_);
  }
  void need_backward(Needs& needs, StagePlace at, i32 k) const {
    if (at.stage + 1 < s_.stages) {
      need(needs, backward_end_[cell({at.path, at.stage + 1}, k)], transfer_);
    }
    need(needs, forward_end_[cell(at, k)], Seconds());
  }

  Needs needs_of(size_t rank, const ScheduleOp& op) const {
    Needs needs{.ready = free_[rank]};
    switch (op.kind) {
      case OpKind::kForward:
        need_forward(needs, place(rank, op.chunk), op.micro_batch);
        break;
      case OpKind::kBackward:
      case OpKind::kBackwardInput:
        need_backward(needs, place(rank, op.chunk), op.micro_batch);
        break;
      case OpKind::kBackwardWeight:
        break;
      case OpKind::kOverlapped:
        need_forward(needs, place(rank, op.chunk), op.micro_batch);
        need_backward(needs, place(rank, op.backward_chunk), op.backward_micro_batch);
        break;
    }
    return needs;
  }

  bool run_next(size_t rank, Timeline& timeline) {
    const size_t i = next_[rank];
    if (i == s_.ops[rank].size()) return false;
    const ScheduleOp& op = s_.ops[rank][i];
    const Needs needs = needs_of(rank, op);
    if (!needs.known) return false;
    const Seconds end = needs.ready + times_[rank][i];
    timeline.spans[rank][i] = {.start = needs.ready, .end = end};
    timeline.order.push_back({static_cast<i32>(rank), static_cast<i32>(i)});
    free_[rank] = end;
    ++next_[rank];
    const bool forward = op.kind == OpKind::kForward || op.kind == OpKind::kOverlapped;
    if (forward) forward_end_[cell(place(rank, op.chunk), op.micro_batch)] = end;
    if (op.kind == OpKind::kOverlapped) {
      backward_end_[cell(place(rank, op.backward_chunk), op.backward_micro_batch)] = end;
    } else if (!forward && op.kind != OpKind::kBackwardWeight) {
      backward_end_[cell(place(rank, op.chunk), op.micro_batch)] = end;
    }
    return true;
  }

  void finish(Timeline& timeline) const {
    for (size_t r = 0; r < next_.size(); ++r) {
      timeline.complete = timeline.complete && next_[r] == s_.ops[r].size();
      timeline.makespan = larger(timeline.makespan, free_[r]);
    }
    for (size_t r = 0; r < next_.size(); ++r) {
      Seconds busy;
      for (const Seconds time : times_[r]) busy += time;
      timeline.bubble.push_back(timeline.makespan - busy);
    }
  }

  const Schedule& s_;
  const std::vector<std::vector<Seconds>>& times_;
  Seconds transfer_;
  std::vector<Seconds> forward_end_, backward_end_;  // [path][stage][micro-batch]
  std::vector<size_t> next_;
  std::vector<Seconds> free_;
};

Seconds time_of(const ScheduleOp& op, const std::vector<StagePlace>& chunks, i64 weight_stage,
                const OpTimes& times) {
  const auto stage_of = [&](i32 chunk) {
    return static_cast<size_t>(chunks[static_cast<size_t>(chunk)].stage);
  };
  switch (op.kind) {
    case OpKind::kForward:
      return times.stages[stage_of(op.chunk)].forward;
    case OpKind::kBackward:
      return times.stages[stage_of(op.chunk)].backward;
    case OpKind::kBackwardInput:
      return times.stages[stage_of(op.chunk)].backward_input;
    case OpKind::kBackwardWeight:
      return times.stages[static_cast<size_t>(weight_stage)].backward_weight;
    case OpKind::kOverlapped:
      return times.overlapped[stage_of(op.chunk)][stage_of(op.backward_chunk)];
  }
  return {};
}

}  // namespace

OpTimes OpTimes::uniform(i64 stages, const StageTimes& times, Seconds overlapped) {
  const auto n = static_cast<size_t>(stages);
  return {.stages = std::vector<StageTimes>(n, times),
          .overlapped = std::vector<std::vector<Seconds>>(n, std::vector<Seconds>(n, overlapped))};
}

Seconds Timeline::largest_bubble() const {
  Seconds most;
  for (const Seconds b : bubble) most = larger(most, b);
  return most;
}

std::vector<std::vector<Seconds>> op_times(const Schedule& schedule, const OpTimes& times) {
  std::vector<std::vector<Seconds>> result;
  for (size_t r = 0; r < schedule.ops.size(); ++r) {
    std::vector<Seconds>& rank = result.emplace_back();
    std::vector<i64> pending;  // stages with weight work, oldest first
    size_t oldest = 0;
    for (const ScheduleOp& op : schedule.ops[r]) {
      i64 weight_stage = 0;
      if (op.kind == OpKind::kBackwardInput) {
        pending.push_back(schedule.chunks[r][static_cast<size_t>(op.chunk)].stage);
      } else if (op.kind == OpKind::kBackwardWeight && oldest < pending.size()) {
        weight_stage = pending[oldest++];
      }
      rank.push_back(time_of(op, schedule.chunks[r], weight_stage, times));
    }
  }
  return result;
}

Timeline play(const Schedule& schedule, const std::vector<std::vector<Seconds>>& times,
              Seconds transfer) {
  return Player(schedule, times, transfer).run();
}

Timeline play(const Schedule& schedule, const OpTimes& times) {
  return play(schedule, op_times(schedule, times), times.transfer);
}

double peak_alive(const Schedule& schedule, i64 rank, const std::vector<double>& weight) {
  const auto r = static_cast<size_t>(rank);
  const auto weight_of = [&](i32 chunk) {
    const auto stage = static_cast<size_t>(schedule.chunks[r][static_cast<size_t>(chunk)].stage);
    return weight.empty() ? 1.0 : weight[stage];
  };
  double alive = 0.0, peak = 0.0;
  for (const ScheduleOp& op : schedule.ops[r]) {
    const bool forward = op.kind == OpKind::kForward || op.kind == OpKind::kOverlapped;
    if (forward) peak = std::max(peak, alive += weight_of(op.chunk));
    if (op.kind == OpKind::kOverlapped) alive -= weight_of(op.backward_chunk);
    if (!forward && op.kind != OpKind::kBackwardWeight) alive -= weight_of(op.chunk);
  }
  return peak;
}

i64 peak_pending_weights(const Schedule& schedule, i64 rank) {
  i64 pending = 0, peak = 0;
  for (const ScheduleOp& op : schedule.ops[static_cast<size_t>(rank)]) {
    if (op.kind == OpKind::kBackwardInput) peak = std::max(peak, ++pending);
    if (op.kind == OpKind::kBackwardWeight) --pending;
  }
  return peak;
}

Seconds closed_form_bubble(ScheduleKind kind, i64 ranks, const StageTimes& t, Seconds overlapped) {
  const auto p = static_cast<double>(ranks);
  switch (kind) {
    case ScheduleKind::k1F1B:
    case ScheduleKind::kInterleaved:
      return (p - 1.0) * (t.forward + t.backward);
    case ScheduleKind::kZbH1:
      return (p - 1.0) * (t.forward + t.backward_input - t.backward_weight);
    case ScheduleKind::kDualPipe:
      return (p / 2.0 - 1.0) * (overlapped + t.backward - 3.0 * t.backward_weight);
    case ScheduleKind::kDualPipeV:
      return (p - 1.0) * (overlapped + t.backward - 3.0 * t.backward_weight);
  }
  return {};
}

Seconds closed_form_makespan(ScheduleKind kind, i64 ranks, i64 micro_batches, i64 chunks_per_rank,
                             const StageTimes& t, Seconds overlapped) {
  const auto m = static_cast<double>(micro_batches);
  const Seconds bubble = closed_form_bubble(kind, ranks, t, overlapped);
  if (kind != ScheduleKind::kDualPipe && kind != ScheduleKind::kDualPipeV) {
    const double chunks =
        kind == ScheduleKind::kInterleaved ? static_cast<double>(chunks_per_rank) : 1.0;
    return m * chunks * (t.forward + t.backward) + bubble;
  }
  // On the first rank: near = H-1 (or P-1), own = 0. Its passes that are not overlapped are the
  // 2 near + 2 forwards and near forwards of the warm-up, and as many backwards.
  const auto p = static_cast<double>(ranks);
  const bool v = kind == ScheduleKind::kDualPipeV;
  const double near = v ? p - 1.0 : p / 2.0 - 1.0;
  const double passes = v ? 2.0 * m : m;
  const double alone = 3.0 * near + 2.0;
  return (passes - alone) * overlapped + alone * (t.forward + t.backward) + bubble;
}

}  // namespace fathom::plan
