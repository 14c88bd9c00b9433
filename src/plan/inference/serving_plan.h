#pragma once
// Serving a model: how fast prompts are read and answers written, how many fit, what it costs.
#include <string>

#include "plan/machine/exchange.h"
#include "plan/model_size.h"

namespace fathom::plan {

/// One deployment: attention replicated on every rank (DP), experts over all of them.
struct ServingSetting {
  i64 ranks = 1;              // GPUs of the deployment: EP and DP
  i64 redundant_experts = 0;  // replicas beyond one each
  Precision precision = Precision::kFp8;
  DType cache_dtype = DType::kBF16;
  bool two_micro_batches = true;  // one's exchange beside the other's compute
  /// Largest over mean load of GPUs' experts: what the busiest gets, computes and sends back, all
  /// wait for.
  double imbalance = 1.0;
};

struct ServingMemory {
  Bytes weights;
  Bytes cache;  // room for it
  BytesPerToken cache_a_token;
  Tokens cached_tokens() const { return cache / cache_a_token; }
};
ServingMemory serving_memory(const Cluster& cluster, const ModelConfig& config,
                             const ServingSetting& setting);

struct DecodePlan {
  double batch = 0.0;  // requests a GPU
  double context = 0.0;
  Seconds products;   // the larger of reading weights and arithmetic, kernel by kernel
  Seconds attention;  // the larger of arithmetic and reading the cache
  Seconds other;
  Seconds exchange;
  Seconds step;  // TPOT without drafts
  bool fits = true;
  std::string bottleneck;
  TokensPerSecond rate() const { return Tokens(batch) / step; }  // of a GPU
};
/// One step of `batch` requests with `context` tokens each: compute and exchange one behind the
/// other, or, if that is faster and allowed, of two halves of the batch beside each other.
DecodePlan plan_decode(const Cluster& cluster, const ModelConfig& config,
                       const ServingSetting& setting, double batch, double context);
/// The largest batch whose cache fits and whose step is at most `tpot`; 0 if not even one does.
DecodePlan best_decode(const Cluster& cluster, const ModelConfig& config,
                       const ServingSetting& setting, double context, Seconds tpot);

struct PrefillPlan {
  Seconds compute;  // of a micro-batch
  Seconds exchange;
  Seconds time;
  Tokens tokens;  // of a micro-batch
  std::string bottleneck;
  TokensPerSecond rate() const { return tokens / time; }  // of a GPU
};
/// `micro_batch` tokens of prompts of `prompt` tokens.
PrefillPlan plan_prefill(const Cluster& cluster, const ModelConfig& config,
                         const ServingSetting& setting, i64 micro_batch, i64 prompt);

/// The network's bound on TPOT (ISCA 2025 §2.3.2): per layer, dispatch (1 byte) and combine (2) of
/// `tokens` rows to topk + shared experts over one card, twice for two micro-batches.
Seconds tpot_network_bound(const ModelConfig& config, double tokens, double row_values,
                           double combine_bytes, BytesPerSecond rate);

/// Time of the same text with drafts of one MTP module: (1 + acceptance) / (1 + cost), cost = the
/// module's share of a pass (its arithmetic over the main model's).
double speculation_gain(const ModelConfig& config, double acceptance);

}  // namespace fathom::plan
