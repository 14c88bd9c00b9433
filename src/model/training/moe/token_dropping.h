#pragma once
#include "model/training/train_step.h"

namespace fathom::model::training {

/// Pairs that one device may serve of one sequence: capacity_factor * seq_len * topk / num_devices,
/// rounded down.
i64 dropping_budget(const BalanceConfig& balance, i64 seq_len, i64 topk);

/// Whether a sample is one of the drop_exempt_frac that are never dropped from: by its number
/// alone.
bool is_exempt_from_dropping(const BalanceConfig& balance, i64 sample);

/// kept = chosen, with -1 where a pair lies beyond the budget of its expert's device in its
/// sequence: on each device the pairs of lowest affinity go first (of equal ones the later).
/// Experts lie on num_devices devices in contiguous parts. Returns how many were dropped.
/// Source: DeepSeek-V2 §2.2.4, per sequence so that it does not depend on the micro-batch.
///   scores  [tokens, experts]  f32;  chosen, kept  [tokens, topk]  i32, kept overwritten
i64 drop_tokens(const TrainStep& step, View<const float, 2> scores, View<const i32, 2> chosen,
                View<i32, 2> kept);

}  // namespace fathom::model::training
