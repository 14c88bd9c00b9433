#include "plan/layer/pass_tasks.h"

#include <algorithm>

namespace fathom::plan {
namespace {

/// Appends tasks; one without time is left out, and what waited for it waits for what it waited
/// for.
class TaskList {
 public:
  /// Returns the task's index, or `after` if there is nothing to do.
  i64 add(PassTask task) {
    if (task.time.value <= 0.0) return std::max(task.after[0], task.after[1]);
    tasks_.push_back(task);
    return std::ssize(tasks_) - 1;
  }
  PassTasks take() { return std::move(tasks_); }

 private:
  PassTasks tasks_;
};

/// Where one micro-batch is in its pass: the last task it waits for.
struct Place {
  const std::vector<LayerTimes>& stage;
  Pass pass;
  i64 last = -1;

  const LayerTimes& layer(i64 i) const { return stage[static_cast<size_t>(i)]; }
};

class PassWriter {
 public:
  explicit PassWriter(TaskList& list) : list_(list) {}

  void compute(Place& at, i64 layer, LayerPart part, const char* what) {
    at.last = list_.add(compute_task(at, layer, part, what));
  }
  void exchange(Place& at, i64 layer, Exchange which) {
    const LayerTimes& times = at.layer(layer);
    const bool dispatch =
        which == Exchange::kDispatchForward || which == Exchange::kDispatchBackward;
    at.last = list_.add({.what = dispatch ? "dispatch" : "combine",
                         .pass = at.pass,
                         .layer = layer,
                         .stream = Stream::kExchange,
                         .time = times.time_of(which),
                         .on_nvlink = times.exchange_on_nvlink[static_cast<size_t>(which)],
                         .after = {at.last, -1}});
  }
  /// Weight gradients: nobody waits for them but the end of the pass.
  void weights(const Place& at, i64 layer, LayerPart part, const char* what) {
    list_.add(compute_task(at, layer, part, what));
  }

  void forward_layer(Place& at, i64 i) {
    compute(at, i, LayerPart::kAttentionForward, "attention");
    exchange(at, i, Exchange::kDispatchForward);
    compute(at, i, LayerPart::kFfnForward, "FFN");
    exchange(at, i, Exchange::kCombineForward);
  }
  void backward_layer(Place& at, i64 i, bool with_weights) {
    exchange(at, i, Exchange::kDispatchBackward);
    compute(at, i, LayerPart::kFfnBackward, "FFN");
    exchange(at, i, Exchange::kCombineBackward);
    compute(at, i, LayerPart::kAttentionBackward, "attention");
    if (with_weights) weight_layer(at, i);
  }
  void weight_layer(Place& at, i64 i) {
    compute(at, i, LayerPart::kFfnWeights, "FFN weights");
    compute(at, i, LayerPart::kAttentionWeights, "attention weights");
  }
  void overlapped_layer(Place& f, i64 i, Place& b, i64 j) {
    exchange(b, j, Exchange::kDispatchBackward);
    compute(f, i, LayerPart::kAttentionForward, "attention");
    compute(b, j, LayerPart::kFfnBackward, "FFN");
    exchange(f, i, Exchange::kDispatchForward);
    const Place at_weights = b;
    exchange(b, j, Exchange::kCombineBackward);
    weights(at_weights, j, LayerPart::kFfnWeights, "FFN weights");
    compute(f, i, LayerPart::kFfnForward, "FFN");
    compute(b, j, LayerPart::kAttentionBackward, "attention");
    weights(b, j, LayerPart::kAttentionWeights, "attention weights");
    exchange(f, i, Exchange::kCombineForward);
  }

 private:
  static PassTask compute_task(const Place& at, i64 layer, LayerPart part, const char* what) {
    const LayerTimes& times = at.layer(layer);
    return {.what = what,
            .pass = at.pass,
            .layer = layer,
            .time = times.part(part),
            .on_nvlink = times.rows_on_nvlink[static_cast<size_t>(part)],
            .after = {at.last, -1}};
  }

  TaskList& list_;
};

template <typename Each>
PassTasks tasks_of(const std::vector<LayerTimes>& stage, Pass pass, Each&& each) {
  TaskList list;
  PassWriter writer(list);
  Place at{.stage = stage, .pass = pass};
  const i64 n = std::ssize(stage);
  for (i64 i = 0; i < n; ++i) each(writer, at, pass == Pass::kForward ? i : n - 1 - i);
  return list.take();
}

/// Ends of all tasks.
std::vector<Seconds> ends_of(const PassTasks& tasks) {
  std::vector<Seconds> ends(tasks.size());
  std::array<Seconds, 2> free = {};
  for (size_t i = 0; i < tasks.size(); ++i) {
    const PassTask& task = tasks[i];
    Seconds& stream = free[static_cast<size_t>(task.stream)];
    Seconds start = stream;
    for (const i64 before : task.after) {
      if (before >= 0) start = larger(start, ends[static_cast<size_t>(before)]);
    }
    stream = ends[i] = start + task.time;
  }
  return ends;
}

}  // namespace

Seconds LayerTimes::compute() const {
  Seconds sum;
  for (const Seconds part : parts) sum += part;
  return sum;
}

Seconds LayerTimes::time_of(Exchange which) const {
  switch (which) {
    case Exchange::kDispatchForward:
      return dispatch_forward;
    case Exchange::kCombineForward:
      return combine_forward;
    case Exchange::kDispatchBackward:
      return dispatch_backward;
    case Exchange::kCombineBackward:
      return combine_backward;
  }
  return {};
}

Seconds LayerTimes::exchange() const {
  return dispatch_forward + combine_forward + dispatch_backward + combine_backward;
}

LayerTimes layer_times(const Cluster& cluster, const std::vector<Kernel>& kernels) {
  LayerTimes times;
  for (const Kernel& kernel : kernels) {
    const auto part = static_cast<size_t>(kernel.part);
    times.parts[part] += kernel.time * (1.0 + cluster.operation.gap_frac);
    if (kernel.kind == KernelClass::kCollective) times.rows_on_nvlink[part] += kernel.time;
  }
  return times;
}

void add_exchanges(const Cluster& cluster, const ModelConfig& config, const LayerSetting& setting,
                   bool alone, LayerTimes& times) {
  if (!setting.moe || setting.expert_ranks <= 1) return;
  const ExchangeReach reach = exchange_reach(config, setting.expert_ranks, cluster.node.gpus);
  const Tokens own = tokens(setting.tokens / setting.tensor_ranks);
  const Precision precision = cluster.has_fp8() ? setting.precision : Precision::kBf16;
  const auto time = [&](Exchange what) {
    times.exchange_on_nvlink[static_cast<size_t>(what)] =
        exchange_on_nvlink(cluster, config, what, reach, own, precision);
    return alone ? exchange_time_alone(cluster, config, what, reach, own, precision)
                 : exchange_time(cluster, config, what, reach, own, precision);
  };
  times.exchanges = true;
  times.dispatch_forward = time(Exchange::kDispatchForward);
  times.combine_forward = time(Exchange::kCombineForward);
  times.dispatch_backward = time(Exchange::kDispatchBackward);
  times.combine_backward = time(Exchange::kCombineBackward);
}

PassTasks forward_tasks(const std::vector<LayerTimes>& stage) {
  return tasks_of(stage, Pass::kForward,
                  [](PassWriter& w, Place& at, i64 i) { w.forward_layer(at, i); });
}
PassTasks backward_input_tasks(const std::vector<LayerTimes>& stage) {
  return tasks_of(stage, Pass::kBackward,
                  [](PassWriter& w, Place& at, i64 i) { w.backward_layer(at, i, false); });
}
PassTasks backward_weight_tasks(const std::vector<LayerTimes>& stage) {
  return tasks_of(stage, Pass::kBackward,
                  [](PassWriter& w, Place& at, i64 i) { w.weight_layer(at, i); });
}
PassTasks backward_tasks(const std::vector<LayerTimes>& stage) {
  return tasks_of(stage, Pass::kBackward,
                  [](PassWriter& w, Place& at, i64 i) { w.backward_layer(at, i, true); });
}

PassTasks overlapped_tasks(const std::vector<LayerTimes>& forward,
                           const std::vector<LayerTimes>& backward) {
  TaskList list;
  PassWriter writer(list);
  Place f{.stage = forward, .pass = Pass::kForward};
  Place b{.stage = backward, .pass = Pass::kBackward};
  const i64 nf = std::ssize(forward), nb = std::ssize(backward);
  for (i64 i = 0; i < std::max(nf, nb); ++i) {
    const i64 j = nb - 1 - i;
    if (i < nf && j >= 0) {
      writer.overlapped_layer(f, i, b, j);
    } else if (i < nf) {
      writer.forward_layer(f, i);
    } else {
      writer.backward_layer(b, j, true);
    }
  }
  return list.take();
}

Seconds duration(const PassTasks& tasks) {
  Seconds end;
  for (const Seconds e : ends_of(tasks)) end = larger(end, e);
  return end;
}

Seconds exposed_exchange(const PassTasks& tasks) {
  Seconds compute;
  for (const PassTask& task : tasks) {
    if (task.stream == Stream::kCompute) compute += task.time;
  }
  return duration(tasks) - compute;
}

}  // namespace fathom::plan
