#pragma once
#include "base/types.h"
#include "config/run/schedule_config.h"

namespace fathom::train {

/// Where a step lies in its run.
struct SchedulePoint {
  i64 step = 1;              // 1 for the first
  double frac = 0.0;         // share of the run's tokens that earlier steps trained on
  double warmup_frac = 0.0;  // the same for the first step after the warm-up
};

/// The learning rate of a step: peak_lr * step / warmup_steps up to warmup_steps, then by shape:
///   v3        peak to cosine_begin_frac; peak * (f + (1 - f) (1 + cos(pi p)) / 2) with p from 0 to
///   1
///             at cosine_end_frac, f = final_lr_frac; peak * f to tail_begin_frac; peak *
///             tail_lr_frac
///   cosine    the same cosine from the end of the warm-up to the end of the run
///   wsd       peak, then linear to peak * f over the last decay_frac
///   constant  peak
/// Source: DeepSeek-V3 §4.2; Hu et al. 2024 (WSD).
double learning_rate(const ScheduleConfig& config, const SchedulePoint& point);

}  // namespace fathom::train
