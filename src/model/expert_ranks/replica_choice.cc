// Which replica a token goes to.
#include <algorithm>

#include "base/check.h"
#include "model/expert_ranks/expert_ranks.h"

namespace fathom::model {

void ExpertRanks::choose_slots(const Round& round, View<i32, 2> kept) {
  if (kept.dim(0) > 0) {
    auto& loads = loads_[static_cast<size_t>(round.layer)];
    for (i64 t = 0; t < kept.dim(0); ++t) {
      for (i64 j = 0; j < topk_; ++j) ++loads[static_cast<size_t>(round.topk_indices(t, j))];
    }
  }
  if (options_.deal) {
    deal_tokens(round, kept);
  } else if (kept.dim(0) > 0) {
    take_turns(round, kept);
  }
}

/// Over any while each replica gets an even share of this rank's tokens.
void ExpertRanks::take_turns(const Round& round, View<i32, 2> kept) {
  const ExpertMap& map = slots_.map(round.layer);
  auto& next = next_replica_[static_cast<size_t>(round.layer)];
  for (i64 t = 0; t < kept.dim(0); ++t) {
    for (i64 j = 0; j < topk_; ++j) {
      const i32 expert = round.topk_indices(t, j);
      const auto replicas = map.slots_of(expert);
      const auto turn = static_cast<size_t>(next[static_cast<size_t>(expert)]++);
      kept(t, j) = replicas[turn % replicas.size()];
    }
  }
}

/// Ranks whose tokens want the same layer are dealt together; every rank computes its own layer's
/// deals alone.
void ExpertRanks::deal_tokens(const Round& round, View<i32, 2> kept) {
  const i64 experts = static_cast<i64>(wanted_.size()) / size();
  Workspace::Scope scope(ctx_.workspace());
  const auto mine = scope.alloc<i64>(experts);
  std::fill_n(mine.data(), experts, i64{0});
  for (i64 t = 0; t < kept.dim(0); ++t) {
    for (i64 j = 0; j < topk_; ++j) ++mine(round.topk_indices(t, j));
  }
  group_.all_gather(std::as_bytes(std::span(mine.data(), static_cast<size_t>(experts))),
                    std::as_writable_bytes(std::span(wanted_.data(), wanted_.size())));
  if (kept.dim(0) == 0) return;
  const View<i64, 2> wanted(wanted_.data(), {size(), experts});
  for (i64 source = 0; source < size(); ++source) {
    const Said& said = said_[static_cast<size_t>(source)];
    if (said.over == 0 && said.layer == round.layer) continue;
    std::fill_n(wanted.row(source), experts, i64{0});
  }
  deals_.clear();
  options_.deal(slots_.map(round.layer), wanted, deals_);
  follow_deals(slots_.map(round.layer), deals_, round.topk_indices, kept);
}

void ExpertRanks::follow_deals(const ExpertMap& map, std::span<const TokenDeal> deals,
                               View<const i32, 2> topk_indices, View<i32, 2> kept) {
  for (const TokenDeal& deal : deals) {
    if (deal.source != rank()) continue;
    const i32 slot = map.slot_on(deal.expert, deal.rank);
    FATHOM_CHECK(slot >= 0, "expert ", deal.expert, " is not on rank ", deal.rank);
    i64 left = deal.tokens;
    for (i64 t = 0; t < kept.dim(0) && left > 0; ++t) {
      for (i64 j = 0; j < topk_; ++j) {
        if (topk_indices(t, j) != deal.expert || kept(t, j) >= 0) continue;
        kept(t, j) = slot;
        --left;
      }
    }
    FATHOM_CHECK(left == 0, "expert ", deal.expert, ": dealt ", deal.tokens, " tokens to rank ",
                 deal.rank, ", ", left, " too many");
  }
}

}  // namespace fathom::model
