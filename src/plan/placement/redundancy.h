#pragma once
// Dynamic redundancy: each GPU hosts more experts than it works on in a step (V3 §3.4.1: 16 and 9),
// and how the tokens of an expert are dealt to its replicas is computed before a layer's exchange.
#include <span>
#include <vector>

#include "plan/placement/eplb.h"

namespace fathom::plan {

/// hosts[expert]: different GPUs, ascending.
using ExpertHosts = std::vector<std::vector<i32>>;
ExpertHosts hosts_of(const Placement& placement, i64 gpus);

struct TokenShare {
  i32 expert = 0;
  i32 gpu = 0;
  i64 tokens = 0;  // above 0

  bool operator==(const TokenShare&) const = default;
};

struct TokenRouting {
  std::vector<TokenShare> shares;  // by expert, then GPU
  i64 bound = 0;        // the least possible largest load, without the cap on active experts
  i64 largest = 0;      // the largest load of these shares
  i64 most_active = 0;  // experts with tokens on one GPU
  i64 rounds = 0;       // of the flow

  /// 0: the shares are as good as any, cap or no cap.
  double gap() const {
    return bound > 0 ? static_cast<double>(largest) / static_cast<double>(bound) - 1.0 : 0.0;
  }
};

/// Shares x[e, g] of w[e] tokens over e's hosts with the least largest load T = max_g sum_e x[e,
/// g]. Exact: an integer flow source -> expert (w) -> host -> sink (T) from T = ceil(sum w / U);
/// while it is not saturated, S = the experts reachable in the residual graph gives T = max(T + 1,
/// ceil(w(S) / |N(S)|)), Newton's method on max_S w(S) / |N(S)|. Then cycles of shares are
/// cancelled, which leaves at most E + U - 1 of them, and GPUs with more than `max_active` experts
/// (0: any number) hand their smallest shares on along alternating paths while loads stay within T
/// (1 + slack); the least slack of 0, 0.5, 1, 2, 3, 5 and 10 % that does it is taken.
TokenRouting route_tokens(std::span<const i64> tokens, const ExpertHosts& hosts, i64 gpus,
                          i64 max_active = 0);

struct TokenTransfer {
  i32 source = 0;  // GPU of the tokens
  i32 gpu = 0;     // that computes the expert for them
  i64 tokens = 0;

  bool operator==(const TokenTransfer&) const = default;
};

/// Which tokens of one expert go where: the same on every rank from the counts alone, without
/// messages. A source's own GPU serves it first, then its node, then the rest in order of rank.
///   from_source [gpus]  tokens that want the expert; their sum is that of `shares`
std::vector<TokenTransfer> split_tokens(std::span<const i64> from_source,
                                        std::span<const TokenShare> shares, i64 node_gpus);

}  // namespace fathom::plan
