#include "plan/placement/redundancy.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/check.h"
#include "base/checked_math.h"
#include "plan/placement/active_cap.h"
#include "plan/placement/token_flow.h"
#include "plan/units/index.h"

namespace fathom::plan {
namespace {

constexpr std::array<double, 7> kSlacks = {0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.10};

i64 least_limit(std::span<const i64> tokens, i64 gpus) {
  const i64 sum = std::accumulate(tokens.begin(), tokens.end(), i64{0});
  return ceil_div(sum, gpus);
}

void count(TokenRouting& routing, i64 gpus) {
  std::vector<i64> load(at(gpus), 0), active(at(gpus), 0);
  for (const TokenShare& share : routing.shares) {
    load[at(share.gpu)] += share.tokens;
    ++active[at(share.gpu)];
  }
  routing.largest = *std::max_element(load.begin(), load.end());
  routing.most_active = *std::max_element(active.begin(), active.end());
}

std::vector<TokenShare> shares_of(const std::vector<TokenFlow::Edge>& edges) {
  std::vector<TokenShare> shares;
  for (const auto& edge : edges) {
    if (edge.tokens > 0) shares.push_back({edge.expert, edge.gpu, edge.tokens});
  }
  return shares;
}

/// What of one expert is still to be served, by source, and what its replicas still take.
struct OpenTokens {
  std::vector<i64> from;
  std::vector<i64> to;
  std::vector<TokenTransfer> transfers;

  void serve(i64 source, i64 gpu) {
    const i64 n = std::min(from[at(source)], to[at(gpu)]);
    if (n == 0) return;
    from[at(source)] -= n;
    to[at(gpu)] -= n;
    transfers.push_back({static_cast<i32>(source), static_cast<i32>(gpu), n});
  }
  /// Sources and GPUs of [begin, end) in order, as two sequences of intervals.
  void serve_range(i64 begin, i64 end) {
    i64 source = begin, gpu = begin;
    while (source < end && gpu < end) {
      serve(source, gpu);
      if (from[at(source)] == 0) {
        ++source;
      } else {
        ++gpu;
      }
    }
  }
};

}  // namespace

ExpertHosts hosts_of(const Placement& placement, i64 gpus) {
  ExpertHosts hosts(placement.replica_count.size());
  const i64 slots = std::ssize(placement.expert_of_slot) / gpus;
  for (i64 slot = 0; slot < std::ssize(placement.expert_of_slot); ++slot) {
    std::vector<i32>& list = hosts[at(placement.expert_of_slot[at(slot)])];
    const auto gpu = static_cast<i32>(slot / slots);
    if (list.empty() || list.back() != gpu) list.push_back(gpu);
  }
  return hosts;
}

TokenRouting route_tokens(std::span<const i64> tokens, const ExpertHosts& hosts, i64 gpus,
                          i64 max_active) {
  FATHOM_CHECK(tokens.size() == hosts.size(), tokens.size(), " loads, ", hosts.size(), " experts");
  TokenFlow flow(tokens, hosts, gpus);
  TokenRouting routing{.bound = least_limit(tokens, gpus), .rounds = 1};
  while (!flow.fill(routing.bound)) {
    const i64 dense = flow.stuck_density();
    FATHOM_CHECK(dense > 0, "an expert with tokens has no host");
    routing.bound = std::max(routing.bound + 1, dense);
    ++routing.rounds;
  }
  cancel_cycles(flow);
  routing.shares = shares_of(flow.edges());
  count(routing, gpus);
  if (max_active <= 0 || routing.most_active <= max_active) return routing;
  for (const double slack : kSlacks) {
    TokenFlow attempt = flow;
    const auto limit = static_cast<i64>(static_cast<double>(routing.bound) * (1.0 + slack));
    const bool whole = cap_active(attempt, max_active, limit);
    TokenRouting capped{
        .shares = shares_of(attempt.edges()), .bound = routing.bound, .rounds = routing.rounds};
    count(capped, gpus);
    if (whole || capped.most_active < routing.most_active) routing = std::move(capped);
    if (whole) break;
  }
  return routing;
}

std::vector<TokenTransfer> split_tokens(std::span<const i64> from_source,
                                        std::span<const TokenShare> shares, i64 node_gpus) {
  const i64 gpus = std::ssize(from_source);
  OpenTokens open{.from = {from_source.begin(), from_source.end()},
                  .to = std::vector<i64>(at(gpus), 0)};
  for (const TokenShare& share : shares) open.to[at(share.gpu)] += share.tokens;
  for (i64 g = 0; g < gpus; ++g) open.serve(g, g);
  for (i64 node = 0; node < gpus; node += node_gpus) {
    open.serve_range(node, std::min(gpus, node + node_gpus));
  }
  open.serve_range(0, gpus);
  return std::move(open.transfers);
}

}  // namespace fathom::plan
