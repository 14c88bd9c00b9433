#pragma once
// A training run on a cluster: memory, step time and what bounds it, rate, cost, failures.
#include <string>
#include <vector>

#include "plan/memory/rank_memory.h"
#include "plan/training_flops.h"

namespace fathom::plan {

/// Where the time of a step goes, on the pipeline rank that is busiest.
struct StepParts {
  Seconds overlapped;  // pairs of passes
  Seconds forward;     // passes alone
  Seconds backward;
  Seconds weights;
  Seconds bubble;
  Seconds optimizer;
  Seconds exposed_exchange;  // of the passes above: exchange that no compute hides
};

struct TrainingPlan {
  std::vector<std::string> problems;  // if any, nothing else is filled
  Layout layout;
  TrainingRun run;
  std::vector<Stage> stages;
  Schedule schedule;
  OpTimes op_times;
  Timeline timeline;
  std::vector<RankMemory> memory;  // by pipeline rank
  Bytes room;                      // of a GPU
  StepParts parts;
  Seconds step;
  TrainingFlops flops;      // a token
  double peak_flops = 0.0;  // of a GPU, BF16
  double price_per_hour = 0.0;
  double goodput = 1.0;
  Seconds checkpoint_interval;
  std::string bottleneck;  // "compute", "exchange", "pipeline bubble", ...
  std::string next_bottleneck;

  bool fits() const { return largest(memory).total() <= room; }
  TokensPerSecond rate() const { return run.step_tokens() / step; }
  double tokens_per_s_per_gpu() const { return rate().value / static_cast<double>(layout.gpus); }
  /// Causal attention counted once, or every key as if none were masked.
  double flops_per_s_per_gpu(bool causal) const;
  double mfu(bool causal) const { return flops_per_s_per_gpu(causal) / peak_flops; }
  double gpu_hours(double tokens) const { return tokens / tokens_per_s_per_gpu() / 3600.0; }
};

TrainingPlan plan_training(const Cluster& cluster, const ModelConfig& config, Layout layout,
                           const TrainingRun& run);
/// The same with the sums over the model's tensors given, for whoever plans often.
struct ModelSums {
  explicit ModelSums(const ModelConfig& config, i64 seq_len)
      : counts(model_counts(config)), flops(training_flops(config, seq_len)) {}
  ModelCounts counts;
  TrainingFlops flops;
};
TrainingPlan plan_training(const Cluster& cluster, const ModelConfig& config, const ModelSums& sums,
                           Layout layout, const TrainingRun& run);

/// Gradients scattered in f32 and weights gathered in BF16, 6 bytes a parameter, over the ranks
/// that share it. Dense ones first inside a node (its m GPUs hold the same), so that each card
/// carries an m-th; copies of experts lie on different nodes.
struct OptimizerTraffic {
  Bytes nvlink;   // 6 P_dense (1 - 1/m)
  Bytes network;  // 6 P_dense / m (1 - 1/nodes) + 6 P_expert (1 - 1/copies)
};
OptimizerTraffic optimizer_traffic(const Cluster& cluster, const Layout& layout,
                                   const RankParameters& own, bool mirrored);
/// Both, one behind the other, and 23 bytes of memory traffic a parameter of the shard.
Seconds optimizer_time(const Cluster& cluster, const Layout& layout, const RankParameters& own,
                       bool mirrored);

/// Of time: the share that is neither lost to checkpoints nor repeated after failures, with the
/// interval that loses least: sqrt(2 delta MTBF) (Young 1974), 1 - sqrt(2 delta / MTBF) -
/// restart / MTBF.
struct Reliability {
  Seconds time_between_failures;
  Seconds checkpoint_interval;
  double goodput = 1.0;
};
Reliability reliability(const OperationSection& operation, i64 gpus);

}  // namespace fathom::plan
