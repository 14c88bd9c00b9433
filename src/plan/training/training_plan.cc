#include "plan/training/training_plan.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace fathom::plan {
namespace {

constexpr double kGradientBytes = 4.0;
constexpr double kWeightBytes = 2.0;
/// Read gradient, master and moments, write master, moments and weight: f32 with BF16 moments.
constexpr double kOptimizerTraffic = 23.0;

struct Share {
  const char* name;
  Seconds time;
};

/// The parts of the rank that has least idle time.
StepParts parts_of(const TrainingPlan& plan, const std::vector<std::vector<Seconds>>& times,
                   double imbalance) {
  const auto busiest = static_cast<size_t>(
      std::min_element(plan.timeline.bubble.begin(), plan.timeline.bubble.end()) -
      plan.timeline.bubble.begin());
  StepParts parts;
  for (size_t i = 0; i < times[busiest].size(); ++i) {
    const ScheduleOp& op = plan.schedule.ops[busiest][i];
    const auto stage_of = [&](i32 chunk) -> const Stage& {
      return plan.stages[static_cast<size_t>(
          plan.schedule.chunks[busiest][static_cast<size_t>(chunk)].stage)];
    };
    const Seconds time = times[busiest][i];
    if (op.kind == OpKind::kOverlapped) parts.overlapped += time;
    if (op.kind == OpKind::kForward) parts.forward += time;
    if (op.kind == OpKind::kBackward || op.kind == OpKind::kBackwardInput) parts.backward += time;
    if (op.kind == OpKind::kBackwardWeight) {
      parts.weights += time;
      continue;
    }
    parts.exposed_exchange +=
        exposed_exchange(operation_tasks(op.kind, stage_of(op.chunk), stage_of(op.backward_chunk),
                                         plan.layout.overlap)) *
        imbalance;
  }
  parts.bubble = plan.timeline.bubble[busiest];
  return parts;
}

void name_bottlenecks(TrainingPlan& plan) {
  const StepParts& p = plan.parts;
  const Seconds passes = p.overlapped + p.forward + p.backward + p.weights;
  std::array<Share, 4> shares = {{{"compute", passes - p.exposed_exchange},
                                  {"expert exchange", p.exposed_exchange},
                                  {"pipeline bubble", p.bubble},
                                  {"optimizer's exchange", p.optimizer}}};
  std::stable_sort(shares.begin(), shares.end(),
                   [](const Share& a, const Share& b) { return a.time > b.time; });
  plan.bottleneck = shares[0].name;
  plan.next_bottleneck = shares[1].name;
}

}  // namespace

double TrainingPlan::flops_per_s_per_gpu(bool causal) const {
  // Attention without its mask: T keys a row instead of (T + 1) / 2.
  const auto n = static_cast<double>(run.seq_len);
  const double all_keys = causal ? 1.0 : 2.0 * n / (n + 1.0);
  return tokens_per_s_per_gpu() * (flops.matrices + flops.attention * all_keys);
}

OptimizerTraffic optimizer_traffic(const Cluster& cluster, const Layout& layout,
                                   const RankParameters& own, bool mirrored) {
  const double copies = mirrored ? 2.0 : 1.0;
  const double dense = own.dense * (kGradientBytes + kWeightBytes);
  const double expert = own.expert * (kGradientBytes + kWeightBytes);
  const auto rest = [](double ranks) { return 1.0 - 1.0 / std::max(1.0, ranks); };
  const auto data = static_cast<double>(layout.data_ranks());
  const double in_node =
      std::min(data, std::max(1.0, static_cast<double>(cluster.node.gpus) /
                                       static_cast<double>(layout.tensor_ranks)));
  const double nodes = data * copies / in_node;
  const double expert_copies = static_cast<double>(layout.expert_data_ranks()) * copies;
  return {.nvlink = Bytes(dense * rest(in_node)),
          .network = Bytes(dense / in_node * rest(nodes) + expert * rest(expert_copies))};
}

Seconds optimizer_time(const Cluster& cluster, const Layout& layout, const RankParameters& own,
                       bool mirrored) {
  const double copies = mirrored ? 2.0 : 1.0;
  const auto shard = [&](double parameters, i64 ranks) {
    return layout.shard_optimizer ? parameters / std::max(1.0, static_cast<double>(ranks) * copies)
                                  : parameters;
  };
  const double update =
      shard(own.dense, layout.data_ranks()) + shard(own.expert, layout.expert_data_ranks());
  const OptimizerTraffic traffic = optimizer_traffic(cluster, layout, own, mirrored);
  const bool one_node = layout.gpus <= cluster.node.gpus;
  return traffic.nvlink / cluster.nvlink_rate() +
         traffic.network / (one_node ? cluster.nvlink_rate() : cluster.nic_rate()) +
         Bytes(update * kOptimizerTraffic) / cluster.memory_rate();
}

Reliability reliability(const OperationSection& operation, i64 gpus) {
  const double mtbf = operation.gpu_hours_per_failure * 3600.0 / static_cast<double>(gpus);
  const double lost = std::sqrt(2.0 * operation.checkpoint_s / mtbf) + operation.restart_s / mtbf;
  return {.time_between_failures = Seconds(mtbf),
          .checkpoint_interval = Seconds(std::sqrt(2.0 * operation.checkpoint_s * mtbf)),
          .goodput = std::max(0.0, 1.0 - lost)};
}

TrainingPlan plan_training(const Cluster& cluster, const ModelConfig& config, Layout layout,
                           const TrainingRun& run) {
  return plan_training(cluster, config, ModelSums(config, run.seq_len), layout, run);
}

TrainingPlan plan_training(const Cluster& cluster, const ModelConfig& config, const ModelSums& sums,
                           Layout layout, const TrainingRun& run) {
  if (layout.gpus == 0) layout.gpus = cluster.gpus;
  TrainingPlan plan{.layout = layout, .run = run};
  plan.problems = layout_problems(layout, cluster, config, run);
  if (!plan.problems.empty()) return plan;
  plan.stages = make_stages(cluster, config, layout, run.seq_len);
  plan.schedule = layout.make_lists(layout.micro_batches(run.sequences));
  plan.op_times = stage_op_times(cluster, plan.stages, layout.overlap);
  const auto times = op_times(plan.schedule, plan.op_times);
  plan.timeline = play(plan.schedule, times, Seconds());
  plan.memory =
      all_ranks_memory(cluster, config, sums.counts, layout, run, plan.schedule, plan.stages);
  plan.room = cluster.memory();
  plan.parts = parts_of(plan, times, cluster.operation.imbalance);
  for (i64 r = 0; r < plan.schedule.ranks; ++r) {
    const RankParameters own =
        rank_parameters(config, sums.counts, layout, plan.schedule, plan.stages, r);
    plan.parts.optimizer = larger(plan.parts.optimizer,
                                  optimizer_time(cluster, layout, own, plan.schedule.paths == 2));
  }
  plan.step = plan.timeline.makespan + plan.parts.optimizer;
  plan.flops = sums.flops;
  plan.peak_flops = cluster.bf16_peak().value;
  plan.price_per_hour = cluster.gpu.price_per_hour;
  const Reliability reliable = reliability(cluster.operation, layout.gpus);
  plan.goodput = reliable.goodput;
  plan.checkpoint_interval = reliable.checkpoint_interval;
  name_bottlenecks(plan);
  return plan;
}

}  // namespace fathom::plan
