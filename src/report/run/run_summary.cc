#include "report/run/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/check.h"
#include "report/run/missing_value.h"

namespace fathom::report {
namespace {

double recent(const RunHistory& history, std::string_view key, i64 steps) {
  const auto* at = std::find_if(kStepCurves.begin(), kStepCurves.end(),
                                [key](const StepCurve& curve) { return curve.key == key; });
  FATHOM_CHECK(at != kStepCurves.end(), "no curve ", key);
  return history.recent_mean(static_cast<size_t>(at - kStepCurves.begin()), steps);
}

}  // namespace

RunSummary summarise(const RunHistory& history) {
  RunSummary summary;
  if (history.last_step()) {
    summary.step = history.last_step()->step;
    summary.tokens = history.last_step()->tokens;
    summary.seconds = history.last_step()->seconds;
  }
  // Enough to still the noise, few enough to be "now".
  summary.recent_steps = std::clamp<i64>(summary.step / 20, 1, 100);
  summary.loss = recent(history, "loss", summary.recent_steps);
  summary.bits_per_byte = recent(history, "bits_per_byte", summary.recent_steps);
  summary.grad_norm = recent(history, "grad_norm", summary.recent_steps);
  summary.tokens_per_s = recent(history, "tokens_per_s", summary.recent_steps);
  summary.gemm_peak_frac = recent(history, "gemm_peak_frac", summary.recent_steps);
  summary.max_vio = summary.mean_max_vio = kNan;
  double sum = 0.0;
  for (const LayerLoad& layer : history.load().latest) {
    if (!(layer.max_vio <= summary.max_vio)) {
      summary.max_vio = layer.max_vio;
      summary.worst_layer = layer.layer;
    }
    sum += layer.max_vio;
    summary.dead_experts += layer.dead_experts;
    summary.experts += static_cast<i64>(layer.share.size());
  }
  if (!history.load().latest.empty()) {
    summary.mean_max_vio = sum / static_cast<double>(history.load().latest.size());
  }
  return summary;
}

double seconds_left(const RunHistory& history) {
  const auto& buckets = history.steps().buckets();
  const i64 total = history.info().total_steps;
  if (total <= 0 || buckets.size() < 2) return kNan;
  const RunPosition& now = buckets.back().last;
  const RunPosition& then = buckets[buckets.size() - std::min<size_t>(buckets.size(), 50)].last;
  if (now.step <= then.step) return kNan;
  const double pace = (now.seconds - then.seconds) / static_cast<double>(now.step - then.step);
  return pace * static_cast<double>(std::max<i64>(total - now.step, 0));
}

std::string format_short_count(double value) {
  if (!std::isfinite(value)) return "–";
  if (value >= 1e6) return fmt::format("{:.2f} M", value / 1e6);
  if (value >= 1e4) return fmt::format("{:.1f} k", value / 1e3);
  return fmt::format("{:.0f}", value);
}

}  // namespace fathom::report
