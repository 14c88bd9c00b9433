#pragma once
// "What would better hardware bring?": each advice of DeepSeek-V3 §3.5 and of the ISCA 2025 paper
// as edits of the machine file, planned with the same code as the run itself.
#include <string>
#include <vector>

#include "plan/training/training_plan.h"

namespace fathom::plan {

struct Advice {
  std::string name;
  std::string mechanism;           // what changes, in words
  std::vector<std::string> edits;  // "gpu.sms=132": settings of a cluster file
  std::string accuracy;            // what it does to numbers, "" if nothing
};
const std::vector<Advice>& hardware_advice();

struct AdviceResult {
  Advice advice;
  Seconds step;
  double tokens_per_s_per_gpu = 0.0;
  double gain = 0.0;   // of tokens per second over the base
  double least = 0.0;  // gain with the machine's constants all 10 % slower or faster, the least
  double most = 0.0;
  std::string bottleneck;
};

/// The first result is the cluster as it is; every other has its advice's edits on top.
[[nodiscard]] Result<std::vector<AdviceResult>> evaluate_advice(const Cluster& cluster,
                                                                const ModelConfig& config,
                                                                const Layout& layout,
                                                                const TrainingRun& run);

/// The cluster's constants of one kind (products, attention, memory kernels, exchange) times
/// `factor`: how sure is an answer?
enum class Constants { kProducts, kAttention, kMemory, kExchange };
inline constexpr size_t kNumConstants = 4;
Cluster with_constants(Cluster cluster, Constants which, double factor);

}  // namespace fathom::plan
