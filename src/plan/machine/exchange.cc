#include "plan/machine/exchange.h"

#include <algorithm>

namespace fathom::plan {
namespace {

constexpr double kScaleBlock = 128.0;
/// Hidden size and experts a token of the machine files' low-latency tables (DeepEP's benchmark).
constexpr double kTableHidden = 7168.0;
constexpr double kTableTopk = 8.0;

/// C(total - own, chosen) / C(total, chosen): none of `own` is among `chosen` of `total`.
double chance_of_none(double total, double own, double chosen) {
  double chance = 1.0;
  for (double i = 0; i < chosen; ++i) {
    chance *= std::max(0.0, total - own - i) / (total - i);
  }
  return chance;
}

/// Of `parts` equal parts of the experts, how many hold one of a token's.
double distinct_parts(const ModelConfig& config, double parts) {
  const auto experts = static_cast<double>(config.n_routed_experts);
  const auto topk = static_cast<double>(config.num_experts_per_tok);
  const auto groups = static_cast<double>(std::max<i64>(1, config.n_group));
  const double kept = config.n_group > 1 ? static_cast<double>(config.topk_group) : 1.0;
  if (parts <= 1.0) return 1.0;
  if (parts <= groups) return parts * (1.0 - chance_of_none(groups, groups / parts, kept));
  const double pool = experts * kept / groups;
  return parts * kept / groups * (1.0 - chance_of_none(pool, experts / parts, topk));
}

bool is_dispatch(Exchange what) {
  return what == Exchange::kDispatchForward || what == Exchange::kDispatchBackward;
}

double row_bytes(const Cluster& cluster, const ModelConfig& config, bool dispatch,
                 Precision precision) {
  const auto hidden = static_cast<double>(config.hidden_size);
  if (!dispatch) return hidden * cluster.exchange.combine_bytes_per_value;
  return precision == Precision::kFp8 ? hidden + hidden / kScaleBlock * 4.0 : hidden * 2.0;
}

double overlapped_rate(const ExchangeSection& exchange, Exchange what) {
  switch (what) {
    case Exchange::kDispatchForward:
      return exchange.dispatch_forward_gb_s;
    case Exchange::kCombineForward:
      return exchange.combine_forward_gb_s;
    case Exchange::kDispatchBackward:
      return exchange.dispatch_backward_gb_s;
    case Exchange::kCombineBackward:
      return exchange.combine_backward_gb_s;
  }
  return 0.0;
}

Seconds time_at(const Cluster& cluster, const ModelConfig& config, Exchange what,
                const ExchangeReach& reach, Tokens tokens, Precision precision, double gb_s) {
  const Bytes out = exchange_bytes(cluster, config, what, reach, tokens, precision);
  const Seconds nic = out.value > 0.0 ? out / BytesPerSecond(gb_s * 1e9) : Seconds();
  const Seconds nvlink = exchange_on_nvlink(cluster, config, what, reach, tokens, precision);
  return (larger(nic, nvlink) + microseconds(cluster.network.latency_us)) * cluster.scale.exchange;
}

/// With copies and sums made by the network, a dispatch leaves a card once and a combine reaches it
/// once, while the other direction still carries every copy: alone, nothing is gained. A dispatch
/// of one micro-batch beside a combine of another shares the outgoing direction:
/// (dispatch + n combine) / (n dispatch + n combine) of the bytes, n copies.
double multicast_factor(const Cluster& cluster, const ModelConfig& config,
                        const ExchangeReach& reach, Precision precision) {
  const double copies = reach.remote_nodes;
  if (!cluster.exchange.multicast || copies <= 1.0) return 1.0;
  const double dispatch = row_bytes(cluster, config, true, precision);
  const double combine = row_bytes(cluster, config, false, precision);
  return (dispatch + copies * combine) / (copies * (dispatch + combine));
}

/// Without a table: every row to each of its experts, and back, in time of its own.
LowLatency direct_exchange(const Cluster& cluster, const ModelConfig& config, i64 ranks,
                           double tokens) {
  const bool near = ranks <= cluster.node.gpus;
  const BytesPerSecond rate = near ? cluster.nvlink_rate() : cluster.nic_rate();
  const Seconds floor = microseconds(2.0 * cluster.network.latency_us);
  const double rows = tokens * static_cast<double>(config.num_experts_per_tok);
  const auto time = [&](bool dispatch) {
    const Bytes bytes(rows * row_bytes(cluster, config, dispatch, Precision::kFp8));
    return (floor + bytes / rate) * cluster.scale.exchange;
  };
  return {.dispatch = time(true), .combine = time(false)};
}

/// The table's value at `ranks`: linear between entries, the nearest outside.
double table_at(const std::vector<double>& xs, const std::vector<double>& ys, double x) {
  if (xs.empty()) return 0.0;
  if (x <= xs.front()) return ys.front();
  for (size_t i = 1; i < xs.size(); ++i) {
    if (x > xs[i]) continue;
    return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
  }
  return ys.back();
}

}  // namespace

ExchangeReach exchange_reach(const ModelConfig& config, i64 ranks, i64 node_gpus) {
  if (!config.has_experts() || ranks <= 1) return {.remote_nodes = 0.0, .ranks = 1.0};
  const double nodes = std::max(1.0, static_cast<double>(ranks) / static_cast<double>(node_gpus));
  const double reached = distinct_parts(config, nodes);
  return {.remote_nodes = reached * (nodes - 1.0) / nodes,
          .ranks = distinct_parts(config, static_cast<double>(ranks))};
}

Bytes exchange_bytes(const Cluster& cluster, const ModelConfig& config, Exchange what,
                     const ExchangeReach& reach, Tokens tokens, Precision precision) {
  return Bytes(tokens.value * reach.remote_nodes *
               row_bytes(cluster, config, is_dispatch(what), precision));
}

Seconds exchange_on_nvlink(const Cluster& cluster, const ModelConfig& config, Exchange what,
                           const ExchangeReach& reach, Tokens tokens, Precision precision) {
  const double row = row_bytes(cluster, config, is_dispatch(what), precision);
  const double rows = std::max(0.0, reach.ranks - 1.0);
  return Bytes(tokens.value * rows * row) / cluster.nvlink_rate();
}

Seconds exchange_time(const Cluster& cluster, const ModelConfig& config, Exchange what,
                      const ExchangeReach& reach, Tokens tokens, Precision precision) {
  const Seconds time = time_at(cluster, config, what, reach, tokens, precision,
                               overlapped_rate(cluster.exchange, what));
  return time * multicast_factor(cluster, config, reach, precision) +
         microseconds(cluster.exchange.wait_us);
}

Seconds exchange_time_alone(const Cluster& cluster, const ModelConfig& config, Exchange what,
                            const ExchangeReach& reach, Tokens tokens, Precision precision) {
  return time_at(cluster, config, what, reach, tokens, precision, cluster.exchange.alone_gb_s);
}

LowLatency low_latency_exchange(const Cluster& cluster, const ModelConfig& config, i64 ranks,
                                double tokens) {
  const ExchangeSection& e = cluster.exchange;
  if (e.low_latency_ranks.empty()) {
    return direct_exchange(cluster, config, ranks, tokens);
  }
  const auto at = [&](const std::vector<double>& table) {
    const double whole = table_at(e.low_latency_ranks, table, static_cast<double>(ranks));
    const double floor_us = std::min(whole, 2.0 * cluster.network.latency_us);
    const double size = static_cast<double>(config.hidden_size) / kTableHidden *
                        static_cast<double>(config.num_experts_per_tok) / kTableTopk;
    const double share = tokens / static_cast<double>(e.low_latency_tokens) * size;
    return microseconds(floor_us + (whole - floor_us) * share) * cluster.scale.exchange;
  };
  return {.dispatch = at(e.low_latency_dispatch_us), .combine = at(e.low_latency_combine_us)};
}

}  // namespace fathom::plan
