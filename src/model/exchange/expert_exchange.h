#pragma once
// A MoE layer over several ranks: the way of tokens to the ranks that hold their experts, and of
// results back. Source: DeepSeek-V3 §3.2.2, DeepEP's normal mode.
//
// Who takes part never depends on the routing: every rank runs every round of every call, with or
// without rows. Rounds bound what is on the way: a rank receives at most ranks * round_tokens rows
// in one. A row travels once a (token, rank), however many of its experts are there. Rows that
// arrive lie in the order of (source rank, token), which is the order one rank would have them in.
//
// Two hops, where the group lies on several nodes with several ranks each (comm::NodeGroups): a row
// goes once to each node that wants it, to the rank with its source's place there, which hands it
// on inside the node. Back, that rank adds up what its node made of a row (BF16 rows) or sends it
// as it is (f32 wire). Between nodes a row then costs the nodes that want it, not the ranks.
#include <algorithm>
#include <optional>

#include "comm/nodes.h"
#include "device/ctx.h"
#include "model/exchange/exchange_counts.h"
#include "model/exchange/row_block.h"

namespace fathom::model {

class Messages;

class ExpertExchange {
 public:
  /// Collective. Expert e is on rank e * size / experts of the group, so that any number of experts
  /// fits any number of ranks. `max_tokens`: the most of one call on any rank, which fixes the
  /// rounds. `group` must outlive it; `wire` and both counts must be the same on all ranks.
  ExpertExchange(comm::Comm& group, i64 experts, ExpertWire wire, i64 max_tokens, i64 round_tokens);

  ExpertWire wire() const { return wire_; }
  i64 ranks() const { return group_.size(); }
  i64 rank() const { return group_.rank(); }
  i64 rounds() const { return rounds_; }
  bool two_hops() const { return nodes_.has_value(); }
  /// Of ExchangeCounts.
  i64 places() const { return ranks() + (nodes_ ? nodes_->nodes() : 0); }
  i64 first_expert(i64 rank) const { return (experts_ * rank + ranks() - 1) / ranks(); }
  i64 experts_of(i64 rank) const { return first_expert(rank + 1) - first_expert(rank); }
  i64 rank_of(i64 expert) const { return expert * ranks() / experts_; }
  /// For all that can arrive, or for `share` times the mean of what `topk` choices a token bring;
  /// 0: all.
  ExchangeRoom room(i64 topk, double share) const;

  /// Fills `counts` from every rank's `kept` [tokens, topk] (expert of the model, -1: dropped).
  /// Throws Error for counts that no routing has, with their rank.
  void announce(Ctx& ctx, View<const i32, 2> kept, const ExchangeCounts& counts);
  /// Rows that this rank hands on inside its node; 0 where one hop is all.
  i64 passed_on_rows(const ExchangeCounts& counts) const;

  /// Sends x [tokens, cols] f32 to the ranks of its experts.
  ///   rows     [>= counts.rows_to(rank()), cols]  in received_format(wire)  OVERWRITTEN
  ///   arrived  OVERWRITTEN; without `kept`: the routing is not sent again, and its passed_on is
  ///            what the first time has left there
  void dispatch(Ctx& ctx, const ExchangeCounts& counts, View<const i32, 2> kept,
                View<const float, 2> weights, View<const float, 2> x, const SavedMatrix& rows,
                const ArrivedRouting& arrived);

  /// y[t] = the sum of what t's experts made of it, OVERWRITTEN; the backward of dispatch as well.
  ///   out  [arrived pairs, cols]  f32  a row for each of pass.arrived_rows
  ///   y    [tokens, cols]
  void combine(Ctx& ctx, const ExchangePass& pass, View<const float, 2> out, View<float, 2> y);

  /// One f32 a pair goes back: pair_values [arrived pairs] -> values [tokens, topk], OVERWRITTEN, 0
  /// where nothing was sent.
  void return_pairs(Ctx& ctx, const ExchangePass& pass, View<const float, 1> pair_values,
                    View<float, 2> values);

 private:
  /// What goes back: a row of BF16 sums for every row that came, or `bytes` for every pair.
  struct Answer {
    bool sums = false;
    i64 bytes = 0;
    i64 count(const ExchangeCounts& counts, i64 source, i64 round, i64 place) const {
      return sums ? counts.rows(source, round, place) : counts.pairs(source, round, place);
    }
  };

  // One hop is one node with all ranks: the last hop of a row is inside it.
  i64 nodes() const { return nodes_ ? nodes_->nodes() : 1; }
  i64 per_node() const { return nodes_ ? nodes_->per_node : ranks(); }
  i64 first_rank() const { return rank() - rank() % per_node(); }  // of this node
  /// The rank of `node` whose rows this one hands on: itself, where one hop is all.
  i64 source_of(i64 node) const { return node * per_node() + rank() % per_node(); }
  i64 own_node() const { return ranks() + rank() / per_node(); }  // a place
  comm::Comm& last_hop() { return nodes_ ? nodes_->inside : group_; }

  bool is_at(i32 expert, i64 place) const {
    if (expert < 0) return false;
    return place < ranks() ? rank_of(expert) == place
                           : rank_of(expert) / per_node() == place - ranks();
  }
  i64 pairs_at(const i32* kept, i64 topk, i64 place) const {
    return std::count_if(kept, kept + topk, [&](i32 e) { return is_at(e, place); });
  }
  bool goes_to(const i32* kept, i64 topk, i64 place) const {
    return pairs_at(kept, topk, place) > 0;
  }
  /// fn(token) for the tokens of a round that go to a place, rising.
  template <typename Fn>
  void for_tokens(View<const i32, 2> kept, i64 round, i64 place, Fn&& fn) const {
    const i64 begin = round * round_tokens_;
    const i64 end = std::min(kept.dim(0), begin + round_tokens_);
    for (i64 t = begin; t < end; ++t) {
      if (goes_to(kept.row(t), kept.dim(1), place)) fn(t);
    }
  }
  void check_counts(const ExchangeCounts& counts, i64 topk) const;
  /// Where the rows of a source's round lie among those that arrived.
  i64 arrived_begin(const ExchangeCounts& counts, i64 source, i64 round) const;
  /// And those of a node's round among those that are passed on.
  i64 passed_on_begin(const ExchangeCounts& counts, i64 node, i64 round) const;

  struct Dispatch;  // what a round of it reads and writes
  void send_round(Ctx& ctx, const Dispatch& d, i64 round);
  void write_tokens(Ctx& ctx, const Dispatch& d, i64 round, i64 place, u8* out) const;
  void take_rows(const Dispatch& d, i64 round, i64 source, const RowBlock& block) const;
  void hand_on(Ctx& ctx, const Dispatch& d, i64 round, const Messages& inside);
  void sort_by_rank(const Dispatch& d, i64 round, const Messages& came,
                    const Messages& inside) const;
  template <typename Fill, typename Take>
  void return_round(Ctx& ctx, const ExchangePass& pass, i64 round, const Answer& answer,
                    Fill&& fill, Take&& take);
  template <typename Fill, typename Take>
  void return_values(Ctx& ctx, const ExchangePass& pass, i64 bytes, Fill&& fill, Take&& take);
  void merge(Ctx& ctx, const ExchangePass& pass, i64 round, const Answer& answer,
             const Messages& inside, const Messages& across) const;
  void combine_sums(Ctx& ctx, const ExchangePass& pass, View<const float, 2> sums,
                    View<float, 2> y);

  comm::Comm& group_;
  std::optional<comm::NodeGroups> nodes_;  // two hops
  i64 experts_;
  ExpertWire wire_;
  i64 max_tokens_;
  i64 round_tokens_;
  i64 rounds_;
};

}  // namespace fathom::model
