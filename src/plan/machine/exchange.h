#pragma once
// What dispatch and combine of expert parallelism move, and how long it takes.
#include "config/model/model_config.h"
#include "plan/machine/kernel_time.h"

namespace fathom::plan {

/// How many copies of a token's row leave its GPU.
struct ExchangeReach {
  double remote_nodes = 0.0;  // nodes that the row is sent to, without its own
  double ranks = 0.0;         // different GPUs that get it, its own included
};

/// Expected reach with experts spread evenly over `ranks` GPUs in nodes of `node_gpus`, every kept
/// group being used and groups chosen evenly. With as many nodes as groups or fewer, a node is
/// reached unless none of its g groups is among the M kept of G: n (1 - C(G-g, M) / C(G, M)); else
/// unless none of its experts is among the k chosen of the kept groups'. V3: 8 nodes 3.5 remote,
/// 4 nodes 2.36.
ExchangeReach exchange_reach(const ModelConfig& config, i64 ranks, i64 node_gpus);

enum class Exchange { kDispatchForward, kCombineForward, kDispatchBackward, kCombineBackward };

/// Bytes that leave (dispatch) or reach (combine) a GPU's network card for `tokens`: rows of FP8
/// with an f32 scale per 128, or of BF16; combined rows of combine_bytes_per_value.
Bytes exchange_bytes(const Cluster& cluster, const ModelConfig& config, Exchange what,
                     const ExchangeReach& reach, Tokens tokens, Precision precision);

/// Rows that NVLink carries: those to GPUs of the node itself, and those that came from other nodes
/// and are forwarded; as many as different GPUs are reached, the own one apart.
Seconds exchange_on_nvlink(const Cluster& cluster, const ModelConfig& config, Exchange what,
                           const ExchangeReach& reach, Tokens tokens, Precision precision);

/// The larger of the network card's time and NVLink's (rows to GPUs of other nodes are forwarded
/// over it), at the rates beside compute, plus wait_us.
Seconds exchange_time(const Cluster& cluster, const ModelConfig& config, Exchange what,
                      const ExchangeReach& reach, Tokens tokens, Precision precision);

/// The same at the rate of an exchange with nothing beside it (prefill).
Seconds exchange_time_alone(const Cluster& cluster, const ModelConfig& config, Exchange what,
                            const ExchangeReach& reach, Tokens tokens, Precision precision);

/// Decoding's direct exchange: the machine's tables, linear in the EP size between entries and in
/// tokens from a latency floor of twice the network's latency. Without tables that floor and the
/// bytes over NVLink (over the network card, if the ranks are more than share an NVLink).
struct LowLatency {
  Seconds dispatch;
  Seconds combine;
};
LowLatency low_latency_exchange(const Cluster& cluster, const ModelConfig& config, i64 ranks,
                                double tokens);

}  // namespace fathom::plan
