#pragma once
#include "report/run/run_history.h"

namespace fathom::report {

/// How far the training loss of `run` lies from that of `base` at equal steps, relative to it:
/// loss / base loss - 1, both smoothed by an exponential moving average of coefficient 0.9 a step.
/// Source: DeepSeek-V3 appendix B.1, which compares FP8 with BF16 this way.
struct LossGap {
  // Over the second half of the steps that both runs have, where the curves are flat enough for a
  // ratio to mean something. NaN if there are none.
  double mean = 0.0;
  double largest = 0.0;  // the gap of largest size, with its sign
  double last = 0.0;     // at the last common step
  i64 last_step = 0;
};

LossGap loss_gap(const RunHistory& base, const RunHistory& run);

}  // namespace fathom::report
