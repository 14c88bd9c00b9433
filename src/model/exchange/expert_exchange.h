#pragma once
// A MoE layer over several ranks: the way of tokens to the ranks that hold their experts, and of
// results back. Source: DeepSeek-V3 §3.2.2, DeepEP's normal mode.
//
// Who takes part never depends on the routing: every rank runs every round of every call, with or
// without rows. Rounds bound what is on the way: a rank receives at most ranks * round_tokens rows
// in one. A row travels once a (token, rank), however many of its experts are there. Rows that
// arrive lie in the order of (source rank, token), which is the order one rank would have them in.
#include <algorithm>

#include "comm/comm.h"
#include "device/ctx.h"
#include "device/moe.h"
#include "model/exchange/expert_wire.h"

namespace fathom::model {

/// What all ranks of the group send each other in one pass of a layer: the handle that backward
/// needs again. All-gathered, so every rank knows all of it.
struct ExchangeCounts {
  View<i64, 4> counts;  // [source, round, destination, {rows, pairs}]

  i64 rows(i64 source, i64 round, i64 to) const { return counts(source, round, to, 0); }
  i64 pairs(i64 source, i64 round, i64 to) const { return counts(source, round, to, 1); }
  /// In all rounds, to one rank, of the sources before `end`.
  i64 rows_before(i64 end, i64 to) const;
  i64 rows_to(i64 to) const { return rows_before(counts.dim(0), to); }
  i64 pairs_to(i64 to) const;
};

/// Who is where on the rank that rows arrive at. As on one rank, with rows for tokens and the
/// rank's own experts for all.
struct ArrivedRouting {
  View<i32, 2> kept;       // [rows, topk]  expert, counted from the rank's first; -1: not here
  View<float, 2> weights;  // [rows, topk]
};

/// What one pass of a layer exchanged, for the way back.
struct ExchangePass {
  ExchangeCounts counts;
  View<const i32, 2> kept;            // [tokens, topk]  of this rank's tokens
  device::PermutedRows permuted;      // of `kept`
  View<const i32, 2> arrived_kept;    // [rows, topk]  ArrivedRouting::kept
  device::PermutedRows arrived_rows;  // of it
  // Of the f32 wire, where a token's results are added up on its own rank:
  View<const i32, 2> order = {};      // [tokens, topk]  in whose rising order; empty: of `kept`
  View<const float, 2> weights = {};  // [tokens, topk]  times these; empty: 1
};

/// What a rank must have room for; the same on all ranks of a group.
struct ExchangeRoom {
  i64 ranks = 1;
  i64 rounds = 1;
  i64 experts = 0;     // the most of a rank
  i64 rows = 0;        // that arrive
  i64 pairs = 0;       // of them with experts
  i64 round_rows = 0;  // the most that arrive in a round
  ExpertWire wire = ExpertWire::kF32;
};

class ExpertExchange {
 public:
  /// Expert e is on rank e * size / experts of the group, so that any number of experts fits any
  /// number of ranks. `max_tokens`: the most of one call on any rank, which fixes the rounds.
  /// `group` must outlive it; `wire` and both counts must be the same on all ranks.
  ExpertExchange(comm::Comm& group, i64 experts, ExpertWire wire, i64 max_tokens, i64 round_tokens);

  ExpertWire wire() const { return wire_; }
  i64 ranks() const { return group_.size(); }
  i64 rank() const { return group_.rank(); }
  i64 rounds() const { return rounds_; }
  i64 first_expert(i64 rank) const { return (experts_ * rank + ranks() - 1) / ranks(); }
  i64 experts_of(i64 rank) const { return first_expert(rank + 1) - first_expert(rank); }
  i64 rank_of(i64 expert) const { return expert * ranks() / experts_; }
  /// For all that can arrive, or for `share` times the mean of what `topk` choices a token bring;
  /// 0: all.
  ExchangeRoom room(i64 topk, double share) const;

  /// Fills `counts` from every rank's `kept` [tokens, topk] (expert of the model, -1: dropped).
  void announce(Ctx& ctx, View<const i32, 2> kept, const ExchangeCounts& counts);

  /// Sends x [tokens, cols] f32 to the ranks of its experts.
  ///   rows     [>= counts.rows_to(rank()), cols]  in received_format(wire)  OVERWRITTEN
  ///   arrived  OVERWRITTEN; empty views: the routing is not sent again
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
  bool goes_to(const i32* kept, i64 topk, i64 to) const;
  /// fn(token) for the tokens of a round that go to a rank, rising.
  template <typename Fn>
  void for_tokens(View<const i32, 2> kept, i64 round, i64 to, Fn&& fn) const {
    const i64 begin = round * round_tokens_;
    const i64 end = std::min(kept.dim(0), begin + round_tokens_);
    for (i64 t = begin; t < end; ++t) {
      if (goes_to(kept.row(t), kept.dim(1), to)) fn(t);
    }
  }
  /// Where the rows of a source's round lie among those that arrived.
  i64 arrived_begin(const ExchangeCounts& counts, i64 source, i64 round) const;
  void send_round(Ctx& ctx, const ExchangeCounts& counts, i64 round, View<const i32, 2> kept,
                  View<const float, 2> weights, View<const float, 2> x, const SavedMatrix& rows,
                  const ArrivedRouting& arrived);
  void write_routing(View<const i32, 2> kept, View<const float, 2> weights,
                     std::span<const i32> tokens, i64 to, u8* out) const;
  /// A message of `pair_bytes` a pair: fill(arrived permuted row, to), take(token, slot, from).
  template <typename Fill, typename Take>
  void return_round(Ctx& ctx, const ExchangePass& pass, i64 round, i64 pair_bytes, Fill&& fill,
                    Take&& take);
  void combine_sums(Ctx& ctx, const ExchangePass& pass, i64 round, View<const float, 2> sums,
                    View<float, 2> y);

  comm::Comm& group_;
  i64 experts_;
  ExpertWire wire_;
  i64 max_tokens_;
  i64 round_tokens_;
  i64 rounds_;
};

}  // namespace fathom::model
