#include "plan/advice/advice.h"

#include <algorithm>

namespace fathom::plan {
namespace {

constexpr double kUncertainty = 0.10;

/// Edits come one upon another: factors that two advices share are multiplied by hand.
std::vector<Advice> make_advice() {
  return {
      {"communication co-processor",
       "the 20 SMs that exchange compute instead",
       {"exchange.sm_for_comm=0"},
       ""},
      {"group-scaled products",
       "scales of 128 numbers inside the tensor cores: no promotion",
       {"scale.gemm=0.8", "scale.wgrad=0.65"},
       "sums of 4,096 products as exact as f32 instead of about 2 % off"},
      {"fused cast and copy",
       "casts to FP8 in the product's own copies: a fifth is left",
       {"scale.cast=0.2", "scale.transpose=0.2"},
       ""},
      {"near-memory cast", "cast traffic halves", {"scale.cast=0.5", "scale.transpose=0.5"}, ""},
      {"transposed operands",
       "products read transposed: no transposed copies, 1.8 of 4 ms",
       {"scale.transpose=0.12"},
       "no second rounding for weight gradients"},
      {"in-network multicast and reduce",
       "a row leaves a card once; combined rows reach it once",
       {"exchange.multicast=true"},
       ""},
      {"LogFMT-8 combine",
       "combined rows in a byte and a scale",
       {"exchange.combine_bytes_per_value=1.03125"},
       "about BF16's accuracy at 8 bits (V3 ISCA §3.2)"},
      {"all compute advices",
       "the first four together",
       {"exchange.sm_for_comm=0", "scale.gemm=0.8", "scale.wgrad=0.65", "scale.cast=0.2",
        "scale.transpose=0.2"},
       ""},
      {"all compute advices and LogFMT-8",
       "and the combine in a byte",
       {"exchange.sm_for_comm=0", "scale.gemm=0.8", "scale.wgrad=0.65", "scale.cast=0.2",
        "scale.transpose=0.2", "exchange.combine_bytes_per_value=1.03125"},
       ""},
      {"scale-up domain (NVL72)",
       "exchanges over 900 GB/s instead of a card of 50",
       {"scale.exchange=0.0556"},
       ""},
      {"lower latency",
       "RoCE's 5.6 us to InfiniBand's 3.7 and below: 1 us",
       {"network.latency_us=1"},
       ""},
      {"no waiting in exchanges",
       "ordering in memory semantics, priorities: 29 % of exchange time",
       {"scale.exchange=0.71"},
       ""},
      {"reliability",
       "half as many failures, checks for silent corruption",
       {"operation.gpu_hours_per_failure=101400"},
       "silent corruption found"},
  };
}

double rate_of(const TrainingPlan& plan) { return plan.tokens_per_s_per_gpu() * plan.goodput; }

}  // namespace

const std::vector<Advice>& hardware_advice() {
  static const std::vector<Advice> kAdvice = make_advice();
  return kAdvice;
}

Cluster with_constants(Cluster c, Constants which, double factor) {
  switch (which) {
    case Constants::kProducts:
      for (double* us : {&c.gemm.fixed_us, &c.gemm.fp8_block_us, &c.gemm.fp8_wgrad_block_us,
                         &c.gemm.bf16_block_us, &c.gemm.bf16_wgrad_block_us}) {
        *us *= factor;
      }
      break;
    case Constants::kAttention:
      c.attention.forward_tflops_per_sm /= factor;
      c.attention.backward_tflops_per_sm /= factor;
      break;
    case Constants::kMemory:
      c.gpu.memory_gb_s /= factor;
      break;
    case Constants::kExchange:
      c.scale.exchange *= factor;
      break;
  }
  return c;
}

Result<std::vector<AdviceResult>> evaluate_advice(const Cluster& base_cluster,
                                                  const ModelConfig& config, const Layout& layout,
                                                  const TrainingRun& run) {
  const ModelSums sums(config, run.seq_len);
  const auto planned = [&](const Cluster& cluster) {
    return plan_training(cluster, config, sums, layout, run);
  };
  const TrainingPlan base = planned(base_cluster);
  if (!base.problems.empty()) return invalid_input("layout: " + base.problems.front());
  std::vector<AdviceResult> results = {
      {.advice = {.name = "as it is", .mechanism = "", .edits = {}, .accuracy = ""},
       .step = base.step,
       .tokens_per_s_per_gpu = base.tokens_per_s_per_gpu(),
       .bottleneck = base.bottleneck}};
  for (const Advice& advice : hardware_advice()) {
    Cluster cluster = base_cluster;
    if (auto edited = edit_cluster(cluster, advice.edits); !edited) {
      return tl::unexpected(edited.error());
    }
    const TrainingPlan plan = planned(cluster);
    AdviceResult result{.advice = advice,
                        .step = plan.step,
                        .tokens_per_s_per_gpu = plan.tokens_per_s_per_gpu(),
                        .gain = rate_of(plan) / rate_of(base) - 1.0,
                        .bottleneck = plan.bottleneck};
    result.least = result.most = result.gain;
    for (size_t c = 0; c < kNumConstants; ++c) {
      for (const double factor : {1.0 - kUncertainty, 1.0 + kUncertainty}) {
        const auto which = static_cast<Constants>(c);
        const double gain = rate_of(planned(with_constants(cluster, which, factor))) /
                                rate_of(planned(with_constants(base_cluster, which, factor))) -
                            1.0;
        result.least = std::min(result.least, gain);
        result.most = std::max(result.most, gain);
      }
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace fathom::plan
