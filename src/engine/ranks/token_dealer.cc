#include "engine/ranks/token_dealer.h"

#include "plan/placement/redundancy.h"

namespace fathom::engine {
namespace {

plan::ExpertHosts hosts_of(const model::ExpertMap& map) {
  plan::ExpertHosts hosts(static_cast<size_t>(map.experts()));
  for (size_t e = 0; e < hosts.size(); ++e) {
    for (const i32 slot : map.slots_of(static_cast<i64>(e))) {  // rising, and so are their ranks
      const auto rank = static_cast<i32>(map.rank_of(slot));
      if (hosts[e].empty() || hosts[e].back() != rank) hosts[e].push_back(rank);
    }
  }
  return hosts;
}

}  // namespace

model::DealTokens least_largest_load(i64 max_active) {
  return [max_active](const model::ExpertMap& map, View<const i64, 2> wanted,
                      std::vector<model::TokenDeal>& deals) {
    const i64 ranks = map.ranks(), experts = map.experts();
    std::vector<i64> tokens(static_cast<size_t>(experts), 0);
    for (i64 r = 0; r < ranks; ++r) {
      for (i64 e = 0; e < experts; ++e) tokens[static_cast<size_t>(e)] += wanted(r, e);
    }
    const plan::TokenRouting routing = plan::route_tokens(tokens, hosts_of(map), ranks, max_active);
    std::vector<i64> from_source(static_cast<size_t>(ranks));
    for (auto share = routing.shares.begin(); share != routing.shares.end();) {
      auto end = share;
      while (end != routing.shares.end() && end->expert == share->expert) ++end;
      for (i64 r = 0; r < ranks; ++r)
        from_source[static_cast<size_t>(r)] = wanted(r, share->expert);
      for (const plan::TokenTransfer& transfer :
           plan::split_tokens(from_source, {share, end}, /*node_gpus=*/ranks)) {
        deals.push_back({share->expert, transfer.source, transfer.gpu, transfer.tokens});
      }
      share = end;
    }
  };
}

}  // namespace fathom::engine
