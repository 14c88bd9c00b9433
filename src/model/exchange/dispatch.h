#pragma once
// Part of expert_exchange.cc and two_hops.cc.
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
};

}  // namespace fathom::model
