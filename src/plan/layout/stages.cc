#include "plan/layout/stages.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace fathom::plan {
namespace {

/// Parts that `costs` take when none may be dearer than `most`; begins[] of them, each as full as
/// it may be while one item at least is left for every later part.
std::vector<size_t> fill(const std::vector<double>& costs, size_t parts, double most) {
  std::vector<size_t> begins = {0};
  double sum = 0.0;
  for (size_t i = 0; i < costs.size(); ++i) {
    const size_t after = parts - begins.size();  // parts that have not begun
    const bool must = costs.size() - i == after && i > begins.back();
    if (i > begins.back() && (sum + costs[i] > most || must)) {
      begins.push_back(i);
      sum = 0.0;
    }
    sum += costs[i];
  }
  return begins;
}

/// What a layer adds to a steady step: beside each other, the longer of compute and exchange.
Seconds pass_seconds(const LayerTimes& times, bool overlap) {
  return overlap ? larger(times.compute(), times.exchange()) : times.compute() + times.exchange();
}

LayerTimes head_times(const Cluster& cluster, const ModelConfig& config, const Layout& layout,
                      i64 seq_len) {
  return layer_times(cluster,
                     head_kernels(cluster, config, layer_setting(cluster, layout, seq_len, false)));
}

/// Compute beside an exchange that takes n of N SMs while it runs for t loses n / N of that time.
void take_sms(const Cluster& cluster, LayerTimes& times) {
  const double share =
      static_cast<double>(cluster.exchange.sm_for_comm) / static_cast<double>(cluster.gpu.sms);
  const auto add = [&](LayerPart part, Seconds exchange) {
    times.parts[static_cast<size_t>(part)] += exchange * share;
  };
  add(LayerPart::kFfnForward, times.dispatch_forward + times.combine_forward);
  add(LayerPart::kFfnBackward, times.dispatch_backward + times.combine_backward);
}

LayerTimes one_layer(const Cluster& cluster, const ModelConfig& config, const Layout& layout,
                     i64 seq_len, bool moe) {
  const LayerSetting setting = layer_setting(cluster, layout, seq_len, moe);
  LayerTimes times = layer_times(cluster, layer_kernels(cluster, config, setting));
  add_exchanges(cluster, config, setting, layout.overlap == Overlap::kAlone, times);
  if (layout.has_pairs() && !cluster.exchange.sm_kept) take_sms(cluster, times);
  return times;
}

PassTasks behind(PassTasks first, const PassTasks& second) {
  const auto offset = static_cast<i64>(first.size());
  // Nothing of the second begins before the first has ended: it waits for its last tasks.
  i64 last_compute = -1, last_exchange = -1;
  for (i64 i = 0; i < offset; ++i) {
    const bool compute = first[static_cast<size_t>(i)].stream == Stream::kCompute;
    (compute ? last_compute : last_exchange) = i;
  }
  for (PassTask task : second) {
    const bool begins = task.after[0] < 0 && task.after[1] < 0;
    for (i64& before : task.after) before = before < 0 ? before : before + offset;
    if (begins) task.after = {last_compute, last_exchange};
    first.push_back(task);
  }
  return first;
}

}  // namespace

std::vector<size_t> split_evenly(const std::vector<double>& costs, size_t parts) {
  FATHOM_CHECK(parts > 0 && costs.size() >= parts, costs.size(), " items for ", parts, " parts");
  double low = *std::ranges::max_element(costs);
  double high = std::accumulate(costs.begin(), costs.end(), 0.0);
  for (int step = 0; step < 60; ++step) {
    const double most = (low + high) / 2.0;
    (fill(costs, parts, most).size() <= parts ? high : low) = most;
  }
  return fill(costs, parts, high);
}

LayerSetting layer_setting(const Cluster& cluster, const Layout& layout, i64 seq_len, bool moe) {
  const bool beside =
      layout.expert_ranks > 1 && layout.overlap != Overlap::kAlone && cluster.exchange.sm_kept;
  return {.moe = moe,
          .tokens = layout.micro_batch_sequences * seq_len,
          .seq_len = seq_len,
          .expert_ranks = layout.expert_ranks,
          .tensor_ranks = layout.tensor_ranks,
          .precision = layout.precision,
          .sms = cluster.gpu.sms - (beside ? cluster.exchange.sm_for_comm : 0),
          .recompute = layout.recompute == Recompute::kSelected,
          .recompute_all = layout.recompute == Recompute::kAll};
}

std::vector<Stage> make_stages(const Cluster& cluster, const ModelConfig& config,
                               const Layout& layout, i64 seq_len) {
  const LayerTimes dense = one_layer(cluster, config, layout, seq_len, false);
  const LayerTimes moe =
      config.has_experts() ? one_layer(cluster, config, layout, seq_len, true) : dense;
  const LayerTimes head = head_times(cluster, config, layout, seq_len);
  const i64 layers = config.num_hidden_layers, modules = config.num_nextn_predict_layers;
  const auto cost = [&](const LayerTimes& times) {
    return pass_seconds(times, layout.has_pairs()).value;
  };
  std::vector<double> costs;
  for (i64 i = 0; i < layers; ++i) costs.push_back(cost(config.is_moe_layer(i) ? moe : dense));
  const auto mtp_moe = config.has_experts() ? moe : dense;
  costs.back() +=
      cost(head) * static_cast<double>(1 + modules) + cost(mtp_moe) * static_cast<double>(modules);
  const std::vector<size_t> begins = split_evenly(costs, static_cast<size_t>(layout.stages()));
  std::vector<Stage> stages(begins.size());
  for (size_t s = 0; s < begins.size(); ++s) {
    const size_t end = s + 1 < begins.size() ? begins[s + 1] : costs.size();
    for (size_t i = begins[s]; i < end; ++i) {
      const auto layer = static_cast<i64>(i);
      stages[s].layers.push_back(layer);
      stages[s].times.push_back(config.is_moe_layer(layer) ? moe : dense);
    }
  }
  stages.front().embedding = true;
  stages.back().head = true;
  for (i64 m = 0; m < modules; ++m) {
    stages.back().times.push_back(mtp_moe);
    stages.back().times.push_back(head);
  }
  stages.back().times.push_back(head);
  return stages;
}

PassTasks operation_tasks(OpKind kind, const Stage& f, const Stage& b, Overlap overlap) {
  switch (kind) {
    case OpKind::kForward:
      return forward_tasks(f.times);
    case OpKind::kBackward:
      return backward_tasks(f.times);
    case OpKind::kBackwardInput:
      return backward_input_tasks(f.times);
    case OpKind::kBackwardWeight:
      return backward_weight_tasks(f.times);
    case OpKind::kOverlapped:
      if (is_paired(overlap)) return overlapped_tasks(f.times, b.times);
      return behind(forward_tasks(f.times), backward_tasks(b.times));
  }
  return {};
}

OpTimes stage_op_times(const Cluster& cluster, const std::vector<Stage>& stages, Overlap overlap) {
  const double imbalance = cluster.operation.imbalance;
  OpTimes times;
  for (const Stage& s : stages) {
    const auto time = [&](OpKind kind) {
      return duration(operation_tasks(kind, s, s, overlap)) * imbalance;
    };
    times.stages.push_back({.forward = time(OpKind::kForward),
                            .backward_input = time(OpKind::kBackwardInput),
                            .backward_weight = time(OpKind::kBackwardWeight),
                            .backward = time(OpKind::kBackward)});
    std::vector<Seconds>& row = times.overlapped.emplace_back();
    for (const Stage& back : stages) {
      row.push_back(duration(operation_tasks(OpKind::kOverlapped, s, back, overlap)) * imbalance);
    }
  }
  return times;
}

}  // namespace fathom::plan
