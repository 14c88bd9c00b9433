#pragma once
// A run in a few numbers: the tiles of its page, a row of a comparison, a line of `fathom report`.
#include <string>

#include "report/run/run_history.h"

namespace fathom::report {

struct RunSummary {
  i64 step = 0;
  i64 tokens = 0;
  double seconds = 0.0;
  // Means over the last recent_steps steps; NaN without any.
  i64 recent_steps = 0;
  double loss = 0.0;
  double bits_per_byte = 0.0;
  double grad_norm = 0.0;
  double tokens_per_s = 0.0;
  double gemm_peak_frac = 0.0;
  // Of the last step that recorded the experts' load.
  double max_vio = 0.0;       // the worst layer's
  double mean_max_vio = 0.0;  // over the layers
  std::string worst_layer;    // empty without MoE layers
  i64 dead_experts = 0;
  i64 experts = 0;
};

RunSummary summarise(const RunHistory& history);

/// At the pace of the last steps; NaN if the end is not known.
double seconds_left(const RunHistory& history);

/// 51234.5 -> "51.2 k".
std::string format_short_count(double value);

}  // namespace fathom::report
