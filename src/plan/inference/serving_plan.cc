#include "plan/inference/serving_plan.h"

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "config/model/parameter_list.h"
#include "plan/layer/layer_kernels.h"
#include "plan/layer/linear_shapes.h"
#include "plan/training_flops.h"

namespace fathom::plan {
namespace {

double dbl(i64 n) { return static_cast<double>(n); }

/// Expert weights on a rank: its slots of all layers.
i64 slots_per_rank(const ModelConfig& config, const ServingSetting& setting) {
  return ceil_div(config.n_routed_experts + setting.redundant_experts, setting.ranks);
}

/// Tokens that a slot's expert gets in a step of `batch` tokens on each rank.
double rows_of_slot(const ModelConfig& config, const ServingSetting& setting, double batch) {
  const double slots = dbl(slots_per_rank(config, setting) * setting.ranks);
  return batch * dbl(setting.ranks * config.num_experts_per_tok) / slots * setting.imbalance;
}

class DecodeStep {
 public:
  DecodeStep(const Cluster& cluster, const ModelConfig& config, const ServingSetting& setting,
             double batch)
      : cluster_(cluster),
        c_(config),
        s_(setting),
        rows_(std::max<i64>(1, static_cast<i64>(std::llround(batch)))),
        batch_(batch) {}

  Seconds products() const {
    const auto moe_layers = moe_layer_count();
    const auto layers = dbl(c_.num_hidden_layers);
    Seconds sum = layers * attention_products();
    sum += moe_layers * moe_products();
    sum += (layers - moe_layers) * ffn(rows_, c_.intermediate_size, 1);
    sum += gemm({rows_, c_.vocab_size, c_.hidden_size}, Precision::kBf16);
    return sum;
  }

  double moe_layer_count() const {
    double count = 0.0;
    for (i64 i = 0; i < c_.num_hidden_layers; ++i) count += c_.is_moe_layer(i) ? 1.0 : 0.0;
    return c_.has_experts() ? count : 0.0;
  }

 private:
  Seconds gemm(const GemmShape& shape, Precision precision) const {
    const GemmTime time = few_rows_gemm_time(cluster_, shape, precision, cluster_.gpu.sms);
    return larger(time.total, microseconds(cluster_.gpu.launch_us));
  }

  /// Decoding absorbs kv_b into queries and outputs: per head [rows, nope] x [nope, kv_lora_rank]
  /// and [rows, kv_lora_rank] x [kv_lora_rank, v], in BF16. q_a and kv_a, of one input, are one
  /// product (the 2112 columns of DeepGEMM's list).
  Seconds attention_products() const {
    Seconds sum;
    i64 down = 0;
    for (const LinearShape& w : attention_linears(c_, 1)) {
      const bool absorbed = c_.is_mla() && w.name == "kv_b";
      if (w.name == "q_a" || w.name == "kv_a") {
        down += w.out;
      } else if (!absorbed) {
        sum += gemm({rows_, w.out, w.in}, s_.precision);
      }
    }
    if (!c_.is_mla()) return sum;
    sum += gemm({rows_, down, c_.hidden_size}, s_.precision);
    const i64 heads = c_.num_attention_heads;
    sum += gemm({rows_, c_.kv_lora_rank, c_.qk_nope_head_dim, heads}, Precision::kBf16);
    sum += gemm({rows_, c_.v_head_dim, c_.kv_lora_rank, heads}, Precision::kBf16);
    return sum;
  }

  Seconds ffn(i64 rows, i64 width, i64 count) const {
    return gemm({rows, 2 * width, c_.hidden_size, count}, s_.precision) +
           gemm({rows, c_.hidden_size, width, count}, s_.precision);
  }

  Seconds moe_products() const {
    const auto slot_rows =
        std::max<i64>(1, static_cast<i64>(std::llround(rows_of_slot(c_, s_, batch_))));
    Seconds sum = ffn(slot_rows, c_.moe_intermediate_size, slots_per_rank(c_, s_));
    if (c_.n_shared_experts > 0) {
      sum += ffn(rows_, c_.moe_intermediate_size * c_.n_shared_experts, 1);
    }
    return sum + gemm({rows_, c_.n_routed_experts, c_.hidden_size}, Precision::kBf16);
  }

  const Cluster& cluster_;
  const ModelConfig& c_;
  const ServingSetting& s_;
  i64 rows_;
  double batch_;
};

/// Of all layers: absorbed MLA reads each cached row once for all heads; else each group of query
/// heads reads its key/value head.
Flops decode_attention_flops(const ModelConfig& c, double tokens) {
  const double widths = c.is_mla() ? dbl(c.latent_dim() + c.kv_lora_rank) : dbl(2 * c.head_dim);
  return Flops(2.0 * dbl(c.num_attention_heads) * widths * tokens * dbl(c.num_hidden_layers));
}

}  // namespace

ServingMemory serving_memory(const Cluster& cluster, const ModelConfig& config,
                             const ServingSetting& setting) {
  ServingMemory memory;
  const double matrix = operand_bytes(setting.precision);
  const double experts = dbl(slots_per_rank(config, setting));
  double all = 0.0;
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.part == ModelPart::kMtp) return;
    const double bytes =
        dbl(parameter.elements()) * (parameter.kind == ParameterKind::kMatrix ? matrix : 2.0);
    if (parameter.expert > 0) return;  // all are alike: expert 0 stands for a slot
    all += parameter.expert == 0 ? bytes * experts : bytes;
  });
  memory.weights = Bytes(all);
  const double left = std::max(0.0, cluster.memory().value - all);
  memory.cache = Bytes(left * cluster.serving.free_memory_frac);
  memory.cache_a_token = BytesPerToken(dbl(cache_bytes_per_token(config, setting.cache_dtype)));
  return memory;
}

namespace {

DecodePlan decode_in_parts(const Cluster& cluster, const ModelConfig& config,
                           const ServingSetting& setting, double batch, double context,
                           double parts) {
  DecodePlan plan{.batch = batch, .context = context};
  const ServingMemory memory = serving_memory(cluster, config, setting);
  const DecodeStep step(cluster, config, setting, batch / parts);
  plan.products = parts * step.products();  // each part reads all weights
  const FlopsPerSecond rate(cluster.attention.decode_tflops * 1e12);
  const BytesPerSecond read(cluster.attention.decode_gb_s * 1e9);
  const Tokens cached(batch * context);
  plan.attention = larger(decode_attention_flops(config, cached.value) / rate,
                          memory.cache_a_token * cached / read);
  const Seconds work = plan.products + plan.attention;
  plan.other = work * cluster.serving.decode_other_frac +
               microseconds(cluster.serving.decode_layer_us) * dbl(config.num_hidden_layers);
  if (setting.ranks > 1) {
    const LowLatency e = low_latency_exchange(cluster, config, setting.ranks, batch / parts);
    plan.exchange = parts * step.moe_layer_count() * (e.dispatch + e.combine) * setting.imbalance;
  }
  const Seconds compute = work + plan.other;
  plan.step = parts > 1.0 ? larger(compute, plan.exchange) : compute + plan.exchange;
  plan.fits = memory.cache_a_token * cached <= memory.cache;
  if (plan.exchange > compute) {
    plan.bottleneck = "expert exchange";
  } else {
    plan.bottleneck = plan.attention > plan.products ? "attention" : "products";
  }
  return plan;
}

}  // namespace

DecodePlan plan_decode(const Cluster& cluster, const ModelConfig& config,
                       const ServingSetting& setting, double batch, double context) {
  const DecodePlan whole = decode_in_parts(cluster, config, setting, batch, context, 1.0);
  if (!setting.two_micro_batches || setting.ranks == 1 || batch < 2.0) return whole;
  const DecodePlan halves = decode_in_parts(cluster, config, setting, batch, context, 2.0);
  return halves.step < whole.step ? halves : whole;
}

DecodePlan best_decode(const Cluster& cluster, const ModelConfig& config,
                       const ServingSetting& setting, double context, Seconds tpot) {
  const auto good = [&](double batch) {
    const DecodePlan plan = plan_decode(cluster, config, setting, batch, context);
    return plan.fits && plan.step <= tpot;
  };
  double low = 0.0, high = 1.0;
  while (high < 65536.0 && good(high)) {
    low = high;
    high *= 2.0;
  }
  while (high - low > 1.0) {
    const double middle = std::floor((low + high) / 2.0);
    (good(middle) ? low : high) = middle;
  }
  if (low == 0.0) return {};
  return plan_decode(cluster, config, setting, low, context);
}

PrefillPlan plan_prefill(const Cluster& cluster, const ModelConfig& config,
                         const ServingSetting& setting, i64 micro_batch, i64 prompt) {
  PrefillPlan plan{.tokens = tokens(micro_batch)};
  const bool exchanges = setting.ranks > 1 && config.has_experts();
  LayerSetting layer{
      .tokens = micro_batch,
      .seq_len = prompt,
      .expert_ranks = std::min(setting.ranks, std::max<i64>(1, config.n_routed_experts)),
      .precision = setting.precision,
      .sms = cluster.gpu.sms - (exchanges ? cluster.exchange.prefill_sms : 0),
      .recompute = false,
      .expert_load = setting.imbalance,
      .training = false};
  const ExchangeReach reach = exchange_reach(config, setting.ranks, cluster.node.gpus);
  const Precision precision = cluster.has_fp8() ? setting.precision : Precision::kBf16;
  for (i64 i = 0; i < config.num_hidden_layers; ++i) {
    layer.moe = config.is_moe_layer(i);
    const auto kernels = layer_kernels(cluster, config, layer);
    plan.compute += total_time(kernels) * (1.0 + cluster.operation.gap_frac);
    if (!layer.moe || setting.ranks == 1) continue;
    for (const Exchange what : {Exchange::kDispatchForward, Exchange::kCombineForward}) {
      plan.exchange += exchange_time_alone(cluster, config, what, reach, plan.tokens, precision) *
                       setting.imbalance;
    }
  }
  plan.time = setting.two_micro_batches ? larger(plan.compute, plan.exchange)
                                        : plan.compute + plan.exchange;
  plan.bottleneck = plan.exchange > plan.compute ? "expert exchange" : "compute";
  return plan;
}

Seconds tpot_network_bound(const ModelConfig& config, double tokens, double row_values,
                           double combine_bytes, BytesPerSecond rate) {
  const double copies = dbl(config.num_experts_per_tok + config.n_shared_experts);
  const Bytes layer((1.0 + combine_bytes) * tokens * copies * row_values);
  return 2.0 * dbl(config.num_hidden_layers) * (layer / rate);
}

double speculation_gain(const ModelConfig& config, double acceptance) {
  const TrainingFlops flops = training_flops(config, 1);
  const double modules = dbl(std::max<i64>(1, config.num_nextn_predict_layers));
  const double cost = flops.mtp / modules / (flops.matrices + flops.attention);
  return (1.0 + acceptance) / (1.0 + cost);
}

}  // namespace fathom::plan
