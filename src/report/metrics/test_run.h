#pragma once
// For this module's tests: the records of a run that never was, the same for every call.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "report/metrics/metrics_json.h"

namespace fathom::report {

inline RunInfo test_info() {
  return {.title = "test run",
          .config = "seed = 1\n[model]\nn_routed_experts = 4\n",
          .started = 1764039600.0,
          .total_steps = 100,
          .total_tokens = 6400,
          .facts = {{"parameters", "2.7 M"}}};
}

/// `wave` gives each expert, layer and step a load of its own.
inline LayerLoad test_load(i64 layer, i64 experts, double wave) {
  LayerLoad load = {.layer = "model.layers." + std::to_string(layer)};
  double sum = 0.0;
  for (i64 e = 0; e < experts; ++e) {
    load.share.push_back(1.1 + std::sin(wave + static_cast<double>(layer * 7 + e)));
    sum += load.share.back();
  }
  double largest = 0.0;
  for (double& share : load.share) largest = std::max(largest, share /= sum);
  load.max_vio = largest * static_cast<double>(experts) - 1.0;
  load.entropy = 1.25 + 0.01 * static_cast<double>(layer);
  load.dead_experts = layer == 2 ? 1 : 0;
  load.bias_min = -0.125 - wave / 1000;
  load.bias_max = 0.1 + wave / 1000;
  return load;
}

inline StepMetrics test_step(i64 step, i64 layers = 2, i64 experts = 4) {
  const auto t = static_cast<double>(step);
  StepMetrics metrics = {.step = step,
                         .tokens = step * 64,
                         .samples = step * 2,
                         .loss = 2.0 + 6.0 / t,
                         .bits_per_byte = 1.0 + 3.0 / t,
                         .mtp_loss = {2.5 + 6.0 / t, 2.75 + 6.0 / t},
                         .balance_loss = 1e-4 / 3,
                         .lr = 1e-3 * std::min(1.0, t / 10),
                         .grad_norm = 1.0 + 1.0 / t,
                         .bias_update_speed = 0.001,
                         .tokens_per_s = 12345.678,
                         .gemm_peak_frac = 0.5,
                         .seconds = t * 0.1,
                         .dropped = step % 3};
  for (i64 layer = 1; layer <= layers; ++layer)
    metrics.load.push_back(test_load(layer, experts, t));
  return metrics;
}

inline ValidationMetrics test_validation(i64 step, const std::string& set, double offset,
                                         i64 layers = 2, i64 experts = 4) {
  const auto t = static_cast<double>(step);
  ValidationMetrics metrics = {.step = step,
                               .set = set,
                               .loss = 2.0 + offset + 5.0 / (t + 1),
                               .bits_per_byte = 1.0 + offset,
                               .mtp_loss = {2.6 + offset},
                               .mtp_acceptance = {0.8 - offset}};
  for (i64 layer = 1; layer <= layers; ++layer) {
    metrics.load.push_back(test_load(layer, experts, t + 10 * offset));
  }
  return metrics;
}

}  // namespace fathom::report
