#pragma once
// What all ranks of a group know of one pass through a layer of experts, and what each keeps of it
// for the way back.
#include "device/moe.h"
#include "model/exchange/expert_wire.h"

namespace fathom::model {

/// What all ranks send each other: the handle that backward needs again. All-gathered, so every
/// rank knows all of it. A place is a rank, or, where rows go in two hops, a node: node n is place
/// ranks + n.
struct ExchangeCounts {
  View<i64, 4> counts;  // [source, round, place, {rows, pairs}]

  i64 rows(i64 source, i64 round, i64 place) const { return counts(source, round, place, 0); }
  i64 pairs(i64 source, i64 round, i64 place) const { return counts(source, round, place, 1); }
  /// In all rounds, to one rank, of the sources before `end`.
  i64 rows_before(i64 end, i64 to) const;
  i64 rows_to(i64 to) const { return rows_before(counts.dim(0), to); }
  i64 pairs_to(i64 to) const;
};

/// Who is where on the rank that rows arrive at. As on one rank, with rows for tokens and the
/// rank's own experts for all.
struct ArrivedRouting {
  View<i32, 2> kept;            // [rows, topk]  expert, counted from the rank's first; -1: not here
  View<float, 2> weights;       // [rows, topk]
  View<i32, 2> passed_on = {};  // [ExpertExchange::passed_on_rows, topk]  expert of the model, -1:
                                // dropped; of rows that this rank hands on in its node
};

/// What one pass of a layer exchanged, for the way back.
struct ExchangePass {
  ExchangeCounts counts;
  View<const i32, 2> kept;            // [tokens, topk]  of this rank's tokens
  device::PermutedRows permuted;      // of `kept`
  View<const i32, 2> arrived_kept;    // [rows, topk]  ArrivedRouting::kept
  device::PermutedRows arrived_rows;  // of it
  View<const i32, 2> passed_on = {};  // ArrivedRouting::passed_on
  // Of the f32 wire, where a token's results are added up on its own rank:
  View<const i32, 2> order = {};      // [tokens, topk]  in whose rising order; empty: of `kept`
  View<const float, 2> weights = {};  // [tokens, topk]  times these; empty: 1
};

/// What a rank must have room for; the same on all ranks of a group.
struct ExchangeRoom {
  i64 ranks = 1;
  i64 rounds = 1;
  i64 places = 1;
  i64 experts = 0;     // the most of a rank
  i64 rows = 0;        // that arrive
  i64 pairs = 0;       // of them with experts
  i64 passed_on = 0;   // rows
  i64 round_rows = 0;  // the most that come in a round, those that are passed on twice
  ExpertWire wire = ExpertWire::kF32;
};

}  // namespace fathom::model
