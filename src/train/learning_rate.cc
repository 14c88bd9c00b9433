#include "train/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fathom::train {
namespace {

/// How far `frac` is from `begin` (0) to `end` (1).
double progress(double frac, double begin, double end) {
  if (frac <= begin) return 0.0;
  return frac >= end ? 1.0 : (frac - begin) / (end - begin);
}

double cosine(const ScheduleConfig& config, double p) {
  const double height = 0.5 * (1.0 + std::cos(std::numbers::pi * p));
  return config.final_lr_frac + (1.0 - config.final_lr_frac) * height;
}

/// Share of the peak after the warm-up.
double shape_at(const ScheduleConfig& config, const SchedulePoint& point) {
  switch (config.shape) {
    case ScheduleShape::kV3:
      if (point.frac >= config.tail_begin_frac) return config.tail_lr_frac;
      return cosine(config, progress(point.frac, config.cosine_begin_frac, config.cosine_end_frac));
    case ScheduleShape::kCosine:
      return cosine(config, progress(point.frac, point.warmup_frac, 1.0));
    case ScheduleShape::kWsd:
      return 1.0 -
             (1.0 - config.final_lr_frac) * progress(point.frac, 1.0 - config.decay_frac, 1.0);
    case ScheduleShape::kConstant:
      break;
  }
  return 1.0;
}

}  // namespace

double learning_rate(const ScheduleConfig& config, const SchedulePoint& point) {
  if (point.step <= config.warmup_steps) {
    return config.peak_lr * static_cast<double>(point.step) /
           static_cast<double>(config.warmup_steps);
  }
  return config.peak_lr * shape_at(config, point);
}

}  // namespace fathom::train
