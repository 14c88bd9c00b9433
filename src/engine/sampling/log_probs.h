#pragma once
#include "device/ctx.h"
#include "engine/request.h"
#include "tensor/view.h"

namespace fathom::engine {

/// The raw log-probability of `id`, and the `num_top` largest with their ids, falling, the lower id
/// first among equals; the same number for `id` wherever it stands. `logits` [vocab], before bias,
/// penalties and masks.
void fill_log_probs(Ctx& ctx, View<const float, 1> logits, i32 id, i64 num_top, Event& event);

}  // namespace fathom::engine
