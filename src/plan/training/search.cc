#include "plan/training/search.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/checked_math.h"

namespace fathom::plan {
namespace {

struct Candidate {
  Layout layout;
  Seconds estimate;
};

/// Powers of two from 1 on.
std::vector<i64> powers(i64 most) {
  std::vector<i64> list;
  for (i64 n = 1; n <= most; n *= 2) list.push_back(n);
  return list;
}

class Search {
 public:
  Search(const Cluster& cluster, const ModelConfig& config, const Layout& base,
         const TrainingRun& run)
      : cluster_(cluster), config_(config), base_(base), run_(run), sums_(config, run.seq_len) {
    if (base_.gpus == 0) base_.gpus = cluster.gpus;
  }

  SearchResult run(i64 keep) {
    collect();
    std::stable_sort(
        candidates_.begin(), candidates_.end(),
        [](const Candidate& a, const Candidate& b) { return a.estimate < b.estimate; });
    SearchResult result{.considered = std::ssize(candidates_)};
    for (const Candidate& candidate : candidates_) {
      if (std::ssize(result.best) == keep) break;
      TrainingPlan plan = plan_training(cluster_, config_, sums_, candidate.layout, run_);
      if (!plan.problems.empty()) continue;
      if (plan.fits()) {
        result.best.push_back(std::move(plan));
      } else {
        ++result.too_large;
      }
    }
    std::stable_sort(result.best.begin(), result.best.end(),
                     [](const TrainingPlan& a, const TrainingPlan& b) { return a.step < b.step; });
    return result;
  }

 private:
  void collect() {
    const i64 experts = std::max<i64>(1, config_.n_routed_experts);
    for (const i64 pp : powers(std::min(config_.num_hidden_layers, base_.gpus))) {
      for (const i64 ep : powers(std::min(experts, base_.gpus / pp))) {
        for (const i64 tp : powers(std::min<i64>(8, cluster_.node.gpus))) {
          if (tp > 1 && ep % tp != 0 && config_.has_experts()) continue;
          for (const i64 micro : powers(8)) with_sizes(pp, ep, tp, micro);
        }
      }
    }
  }

  void with_sizes(i64 pp, i64 ep, i64 tp, i64 micro) {
    for (const Recompute recompute : {Recompute::kSelected, Recompute::kAll, Recompute::kNone}) {
      Layout layout = base_;
      layout.pipeline_ranks = pp;
      layout.expert_ranks = ep;
      layout.tensor_ranks = tp;
      layout.micro_batch_sequences = micro;
      layout.recompute = recompute;
      if (least_bytes(layout) > cluster_.memory()) continue;
      for (const ScheduleKind kind : {ScheduleKind::k1F1B, ScheduleKind::kZbH1,
                                      ScheduleKind::kDualPipe, ScheduleKind::kDualPipeV}) {
        layout.schedule = kind;
        layout.chunks_per_rank = 1;
        consider(layout);
      }
      layout.schedule = ScheduleKind::kInterleaved;
      for (const i64 chunks : {2, 4}) {
        layout.chunks_per_rank = chunks;
        consider(layout);
      }
    }
  }

  /// Weights, gradients and the shard of optimizer state of a mean rank: none has less everywhere.
  Bytes least_bytes(const Layout& layout) const {
    double dense = sums_.counts.embedding + sums_.counts.head, expert = 0.0;
    for (const LayerParameters& layer : sums_.counts.layers) {
      dense += layer.dense;
      expert += layer.expert;
    }
    const auto ranks = static_cast<double>(layout.pipeline_ranks);
    return Bytes(6.0 * (dense / ranks / static_cast<double>(layout.tensor_ranks) +
                        expert / ranks / static_cast<double>(layout.expert_ranks)));
  }

  void consider(const Layout& layout) {
    if (!layout_problems(layout, cluster_, config_, run_).empty()) return;
    candidates_.push_back({layout, estimate(layout)});
  }

  /// Closed form with every stage as large as the largest.
  Seconds estimate(const Layout& layout) {
    const i64 layers = ceil_div(config_.num_hidden_layers, layout.stages());
    const LayerTimes& layer = layer_of(layout);
    const std::vector<LayerTimes> stage(static_cast<size_t>(layers), layer);
    const StageTimes times{.forward = duration(forward_tasks(stage)),
                           .backward_input = duration(backward_input_tasks(stage)),
                           .backward_weight = duration(backward_weight_tasks(stage)),
                           .backward = duration(backward_tasks(stage))};
    if (layout.schedule == ScheduleKind::kInterleaved && layout.has_pairs()) {
      return interleaved_estimate(layout, times, duration(overlapped_tasks(stage, stage)));
    }
    const Seconds pair = is_paired(layout.overlap) ? duration(overlapped_tasks(stage, stage))
                                                   : times.forward + times.backward;
    return closed_form_makespan(layout.schedule, layout.pipeline_ranks,
                                layout.micro_batches(run_.sequences), layout.chunks_per_rank, times,
                                pair) *
           cluster_.operation.imbalance;
  }

  /// The first rank: its warm-up's passes alone, the others in pairs.
  Seconds interleaved_estimate(const Layout& layout, const StageTimes& times, Seconds pair) const {
    const i64 ranks = layout.pipeline_ranks, chunks = layout.chunks_per_rank;
    const i64 passes = layout.micro_batches(run_.sequences) * chunks;
    const i64 alone = std::min(passes, 2 * (ranks - 1) + (chunks - 1) * ranks + 1);
    const Seconds both = times.forward + times.backward;
    return (pair * static_cast<double>(passes - alone) + both * static_cast<double>(alone) +
            closed_form_bubble(layout.schedule, ranks, times, pair)) *
           cluster_.operation.imbalance;
  }

  const LayerTimes& layer_of(const Layout& layout) {
    const auto key = std::tuple(layout.expert_ranks, layout.tensor_ranks,
                                layout.micro_batch_sequences, layout.recompute);
    const auto found = layers_.find(key);
    if (found != layers_.end()) return found->second;
    const LayerSetting setting =
        layer_setting(cluster_, layout, run_.seq_len, config_.has_experts());
    LayerTimes times = layer_times(cluster_, layer_kernels(cluster_, config_, setting));
    add_exchanges(cluster_, config_, setting, layout.overlap == Overlap::kAlone, times);
    return layers_.emplace(key, times).first->second;
  }

  const Cluster& cluster_;
  const ModelConfig& config_;
  Layout base_;
  const TrainingRun& run_;
  ModelSums sums_;
  std::vector<Candidate> candidates_;
  std::map<std::tuple<i64, i64, i64, Recompute>, LayerTimes> layers_;
};

}  // namespace

SearchResult search_layouts(const Cluster& cluster, const ModelConfig& config, const Layout& base,
                            const TrainingRun& run, i64 keep) {
  return Search(cluster, config, base, run).run(keep);
}

}  // namespace fathom::plan
