#pragma once
// Part of expert_exchange.cc and two_hops.cc.
#include <fmt/format.h>

#include "base/error.h"
#include "model/exchange/expert_exchange.h"

namespace fathom::model {

struct ExpertExchange::Dispatch {
  const ExchangeCounts& counts;
  View<const i32, 2> kept;
  View<const float, 2> weights;
  View<const float, 2> x;
  const SavedMatrix& rows;
  const ArrivedRouting& arrived;
  RowForm form;

  bool with_routing() const { return form.topk > 0; }
  RowBlock block(u8* data, i64 source, i64 round, i64 place) const {
    return {form, data, counts.rows(source, round, place)};
  }

  /// Counts and routing come from other ranks, apart: what is written by one has the size of the
  /// other. Throws Error where a source's routing has `routed_rows` and `routed_pairs` for a place,
  /// and its counts say otherwise.
  void check(i64 source, i64 round, i64 place, i64 routed_rows, i64 routed_pairs) const {
    const i64 said_rows = counts.rows(source, round, place);
    const i64 said_pairs = counts.pairs(source, round, place);
    if (routed_rows == said_rows && routed_pairs == said_pairs) return;
    throw Error(
        ErrorCode::kInternal,
        fmt::format("exchange of experts: rank {} of the group announced {} rows and {} "
                    "pairs to place {} in round {}, its routing has {} and {}",
                    source, said_rows, said_pairs, place, round, routed_rows, routed_pairs));
  }
};

}  // namespace fathom::model
