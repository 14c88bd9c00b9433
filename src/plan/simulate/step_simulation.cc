#include "plan/simulate/step_simulation.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/rng.h"
#include "plan/simulate/link_queue.h"
#include "plan/units/index.h"

namespace fathom::plan {
namespace {

/// Streams of random numbers, so that none depends on how many another drew.
enum RandomStream : u64 { kGpuStream = 1, kTaskStream, kRoutingStream };

/// Lognormal with mean 1 and the given relative deviation.
class Spread {
 public:
  Spread(u64 seed, u64 stream, double deviation)
      : random_(seed, stream),
        sigma_(std::sqrt(std::log1p(deviation * deviation))),
        mean_(-0.5 * sigma_ * sigma_) {}

  bool any() const { return sigma_ > 0.0; }
  double next() { return any() ? std::exp(mean_ + sigma_ * random_.normal(counter_++)) : 1.0; }

 private:
  Philox random_;
  double sigma_, mean_;
  u64 counter_ = 0;
};

bool is_ffn(const PassTask& task) { return task.what[0] == 'F'; }

class StepSimulation {
 public:
  StepSimulation(const Cluster& cluster, const TrainingPlan& plan, const SimulationSetting& setting)
      : plan_(plan),
        setting_(setting),
        imbalance_(cluster.operation.imbalance),
        data_(plan.layout.data_ranks()),
        group_(std::max<i64>(1, plan.layout.expert_ranks / plan.layout.tensor_ranks)),
        gpu_(setting.seed, kGpuStream, setting.gpu_spread),
        task_(setting.seed, kTaskStream, setting.task_spread),
        routing_(setting.seed, kRoutingStream, setting.routing_spread) {
    const auto cells =
        at(schedule().paths * schedule().stages * schedule().micro_batches_per_path() * data_);
    forward_end_.resize(cells);
    backward_end_.resize(cells);
    free_.resize(at(schedule().ranks * data_));
    card_free_.resize(free_.size());
    if (setting_.nvlink_queue) links_.resize(free_.size());
    busy_.resize(at(schedule().ranks));
    compute_.resize(at(schedule().ranks));
    pending_.resize(at(schedule().ranks));
    set_speeds();
    for (i64 r = 0; r < schedule().ranks; ++r) {
      for (const StagePlace& p : schedule().chunks[at(r)]) rank_of_[{p.path, p.stage}] = r;
    }
  }

  SimulatedStep run() {
    for (const auto& [rank, op] : plan_.timeline.order) run_op(rank, op);
    Seconds end;
    for (const Seconds f : free_) end = larger(end, f);
    result_.step = end + plan_.parts.optimizer;
    for (i64 r = 0; r < schedule().ranks; ++r) {
      const double n = static_cast<double>(data_);
      result_.bubble.push_back(end - busy_[at(r)] / n);
      result_.exposed_exchange.push_back((busy_[at(r)] - compute_[at(r)]) / n);
    }
    if (waits_ > 0) result_.skew = waited_ / static_cast<double>(waits_);
    return std::move(result_);
  }

 private:
  const Schedule& schedule() const { return plan_.schedule; }

  void set_speeds() {
    for (i64 i = 0; i < schedule().ranks * data_; ++i) slowness_.push_back(gpu_.next());
    if (setting_.slow_gpu < 0) return;
    slowness_[at(setting_.slow_gpu / plan_.layout.tensor_ranks)] *= setting_.slow_factor;
  }

  StagePlace place(i32 rank, i32 chunk) const { return schedule().chunks[at(rank)][at(chunk)]; }
  size_t cell(StagePlace p, i32 k) const {
    return at(((p.path * schedule().stages + p.stage) * schedule().micro_batches_per_path() + k) *
              data_);
  }

  void need(const std::vector<Seconds>& ends, StagePlace p, i32 k) {
    const size_t from = cell(p, k);
    for (size_t j = 0; j < start_.size(); ++j) start_[j] = larger(start_[j], ends[from + j]);
  }
  void need_forward(StagePlace p, i32 k) {
    if (p.stage > 0) need(forward_end_, {p.path, p.stage - 1}, k);
  }
  void need_backward(StagePlace p, i32 k) {
    if (p.stage + 1 < schedule().stages) need(backward_end_, {p.path, p.stage + 1}, k);
  }

  void run_op(i32 rank, i32 index) {
    const ScheduleOp& op = schedule().ops[at(rank)][at(index)];
    const auto first = free_.begin() + static_cast<std::ptrdiff_t>(rank * data_);
    start_.assign(first, first + static_cast<std::ptrdiff_t>(data_));
    const StagePlace here = place(rank, op.chunk), back = place(rank, op.backward_chunk);
    const bool overlapped = op.kind == OpKind::kOverlapped;
    const bool forward = op.kind == OpKind::kForward || overlapped;
    const bool weight = op.kind == OpKind::kBackwardWeight;
    if (forward) need_forward(here, op.micro_batch);
    if (overlapped) need_backward(back, op.backward_micro_batch);
    if (!forward && !weight) need_backward(here, op.micro_batch);
    i32 stage = here.stage;
    if (op.kind == OpKind::kBackwardInput) pending_[at(rank)].push_back(stage);
    if (weight) {
      stage = pending_[at(rank)].front();
      pending_[at(rank)].erase(pending_[at(rank)].begin());
    }
    run_tasks(rank, stage, op, tasks_of(op.kind, stage, overlapped ? back.stage : stage));
    std::copy(end_.begin(), end_.end(), first);
    if (forward) store(rank, forward_end_, here, here.stage + 1, op.micro_batch);
    if (overlapped) store(rank, backward_end_, back, back.stage - 1, op.backward_micro_batch);
    if (!forward && !weight) store(rank, backward_end_, here, here.stage - 1, op.micro_batch);
  }

  /// When what `p` made of a micro-batch is at the stage `to`.
  void store(i32 rank, std::vector<Seconds>& ends, StagePlace p, i32 to, i32 k) {
    const size_t first = cell(p, k);
    const auto next = rank_of_.find({p.path, to});
    const bool sends =
        setting_.transfer > Seconds() && next != rank_of_.end() && next->second != rank;
    for (size_t j = 0; j < end_.size(); ++j) {
      ends[first + j] = end_[j];
      if (!sends) continue;
      Seconds& card = card_free_[at(rank * data_) + j];
      card = larger(card, end_[j]) + setting_.transfer;
      ends[first + j] = card;
    }
  }

  const PassTasks& tasks_of(OpKind kind, i32 f, i32 b) {
    const auto key = std::tuple(kind, f, b);
    auto found = tasks_.find(key);
    if (found == tasks_.end()) {
      found = tasks_
                  .emplace(key, operation_tasks(kind, plan_.stages[at(f)], plan_.stages[at(b)],
                                                plan_.layout.overlap))
                  .first;
    }
    return found->second;
  }

  /// All data ranks of a pipeline rank play one operation; start_ -> end_.
  void run_tasks(i32 rank, i32 stage, const ScheduleOp& op, const PassTasks& tasks) {
    stream_free_[0] = stream_free_[1] = start_;
    for (size_t j = 0; j < start_.size(); ++j) {
      stream_free_[1][j] = larger(start_[j], card_free_[at(rank * data_) + j]);
    }
    for (size_t j = 0; setting_.nvlink_queue && j < start_.size(); ++j) {
      links_[at(rank * data_) + j].forget(start_[j]);
    }
    ends_.resize(tasks.size());
    for (size_t i = 0; i < tasks.size(); ++i) {
      std::vector<Seconds>& end = ends_[i];
      std::vector<Seconds>& stream = stream_free_[static_cast<size_t>(tasks[i].stream)];
      end = stream;
      for (const i64 before : tasks[i].after) {
        if (before < 0) continue;
        for (size_t j = 0; j < end.size(); ++j) end[j] = larger(end[j], ends_[at(before)][j]);
      }
      const Seconds began = end.front();
      if (tasks[i].stream == Stream::kCompute) {
        compute(rank, tasks[i], end);
      } else {
        exchange(rank, tasks[i], end);
      }
      stream = end;
      if (setting_.keep_trace) trace(rank, stage, op, tasks[i], began, end.front());
    }
    result_.tasks += std::ssize(tasks) * data_;
    end_ = start_;
    for (const std::vector<Seconds>& end : ends_) {
      for (size_t j = 0; j < end.size(); ++j) end_[j] = larger(end_[j], end[j]);
    }
    for (size_t j = 0; j < end_.size(); ++j) busy_[at(rank)] += end_[j] - start_[j];
  }

  void compute(i32 rank, const PassTask& task, std::vector<Seconds>& end) {
    const bool ffn = routing_.any() && is_ffn(task);
    for (size_t j = 0; j < end.size(); ++j) {
      double factor = imbalance_ * slowness_[at(rank * data_) + j] * task_.next();
      if (ffn) factor *= routing_.next();
      const Seconds time = task.time * factor;
      if (uses_link(task)) {
        end[j] = links_[at(rank * data_) + j].take(end[j], task.on_nvlink * factor);
      }
      end[j] += time;
      compute_[at(rank)] += time;
    }
  }

  bool uses_link(const PassTask& task) const {
    return setting_.nvlink_queue && task.on_nvlink > Seconds();
  }

  /// All ranks of a group end together: when the last has begun, and sent.
  void exchange(i32 rank, const PassTask& task, std::vector<Seconds>& end) {
    const Seconds time = task.time * imbalance_;
    for (size_t j = 0; uses_link(task) && j < end.size(); ++j) {
      end[j] = links_[at(rank * data_) + j].take(end[j], task.on_nvlink * imbalance_);
    }
    for (size_t begin = 0; begin < end.size(); begin += at(group_)) {
      const size_t stop = std::min(end.size(), begin + at(group_));
      Seconds last;
      for (size_t j = begin; j < stop; ++j) last = larger(last, end[j]);
      for (size_t j = begin; j < stop; ++j) {
        waited_ += last - end[j];
        end[j] = last + time;
      }
      waits_ += static_cast<i64>(stop - begin);
    }
  }

  void trace(i32 rank, i32 stage, const ScheduleOp& op, const PassTask& task, Seconds start,
             Seconds end) {
    const bool back = op.kind == OpKind::kOverlapped && task.pass == Pass::kBackward;
    result_.trace.push_back({.what = task.what,
                             .pass = task.pass,
                             .stream = task.stream,
                             .rank = rank,
                             .stage = back ? place(rank, op.backward_chunk).stage : stage,
                             .layer = static_cast<i32>(task.layer),
                             .micro_batch = back ? op.backward_micro_batch : op.micro_batch,
                             .start = start,
                             .end = end});
  }

  const TrainingPlan& plan_;
  const SimulationSetting& setting_;
  double imbalance_;
  i64 data_, group_;
  Spread gpu_, task_, routing_;
  std::vector<double> slowness_;                     // [rank][data rank]
  std::vector<Seconds> forward_end_, backward_end_;  // [path][stage][micro-batch][data rank]
  std::vector<Seconds> free_;                        // [rank][data rank]
  std::vector<Seconds> card_free_;                   // [rank][data rank]: behind its transfers
  std::vector<LinkQueue> links_;                     // [rank][data rank]
  std::map<std::pair<i32, i32>, i64> rank_of_;       // of a path's stage
  std::vector<Seconds> busy_, compute_;              // [rank], over data ranks
  std::vector<std::vector<i32>> pending_;            // [rank]: stages whose weight work waits
  std::map<std::tuple<OpKind, i32, i32>, PassTasks> tasks_;
  std::vector<Seconds> start_, end_;  // [data rank]
  std::array<std::vector<Seconds>, 2> stream_free_;
  std::vector<std::vector<Seconds>> ends_;  // [task][data rank]
  Seconds waited_;
  i64 waits_ = 0;
  SimulatedStep result_;
};

}  // namespace

Seconds stage_transfer(const Cluster& cluster, const Layout& layout, const TrainingRun& run,
                       i64 hidden_size) {
  const double tokens = static_cast<double>(layout.micro_batch_sequences * run.seq_len);
  const Bytes bytes(tokens * static_cast<double>(hidden_size) * 2.0 /
                    static_cast<double>(layout.tensor_ranks));
  const double gb_s =
      layout.gpus <= cluster.node.gpus ? cluster.node.nvlink_gb_s : cluster.node.nic_gb_s;
  return bytes / BytesPerSecond(gb_s * 1e9);
}

SimulatedStep simulate_step(const Cluster& cluster, const TrainingPlan& plan,
                            const SimulationSetting& setting) {
  return StepSimulation(cluster, plan, setting).run();
}

}  // namespace fathom::plan
