#pragma once
// Which rows of a step the head runs for; steps of the model and of its MTP modules share it.
#include <span>

#include "model/model.h"
#include "tensor/workspace.h"

namespace fathom::model {

/// Of `tokens` new tokens of a sequence, the last so many.
inline i64 wanted_rows(LogitRows logits, i64 tokens) {
  if (logits == LogitRows::kNone) return 0;
  return logits == LogitRows::kLast ? 1 : tokens;
}

/// The rows of a step for which logits were asked, [rows]. `tokens_of(step)`: its new tokens.
template <typename Step, typename TokensOf>
View<const i32, 1> wanted_row_ids(std::span<const Step> steps, i64 rows, Workspace::Scope& scratch,
                                  TokensOf tokens_of) {
  const auto ids = scratch.alloc<i32>(rows);
  i64 end = 0, row = 0;
  for (const Step& step : steps) {
    end += tokens_of(step);
    for (i64 from = end - wanted_rows(step.logits, tokens_of(step)); from < end; ++from) {
      ids(row++) = static_cast<i32>(from);
    }
  }
  return ids;
}

}  // namespace fathom::model
