#pragma once
// The loop over key tiles that MLA (both forms) and GQA share.
#include <algorithm>

#include "model/step.h"
#include "ops/attention/attention.h"

namespace fathom::model {

/// Calls fn(key_begin, keys, first_query) for every tile of one sequence's cached positions, oldest
/// first: keys [key_begin, key_begin + keys), seen by the new tokens from `first_query` on (the
/// earlier ones lie wholly before the tile). RunOptions::pause is called after each.
template <typename Fn>
void for_key_tiles(const StepContext& step, const BatchSequence& sequence, Fn&& fn) {
  const i64 end = sequence.position_begin + sequence.tokens;
  for (i64 begin = 0; begin < end; begin += kKeyTileTokens) {
    fn(begin, std::min(kKeyTileTokens, end - begin),
       std::max<i64>(begin - sequence.position_begin, 0));
    step.options.pause_if_asked();
  }
}

/// The rows [begin, ...) of every part of the state.
inline ops::AttentionState queries_from(const ops::AttentionState& state, i64 begin) {
  const i64 count = state.max.dim(0) - begin;
  return {.max = state.max.slice(0, begin, count),
          .sum = state.sum.slice(0, begin, count),
          .acc = state.acc.slice(0, begin, count)};
}

}  // namespace fathom::model
