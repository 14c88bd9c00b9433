#pragma once
// The formulas of GRPO and its variants, one sample or token at a time.
//   L = -sum_i sum_t w_i c_it [ min(r A_i, clip(r, 1-lo, 1+hi) A_i) - beta KL_it ]
// Source: DeepSeekMath §4.1 (arXiv 2402.03300), eqs (3)-(4); DAPO (2503.14476); Dr. GRPO
// (2503.20783); GSPO (2507.18071).
#include <span>
#include <vector>

#include "config/run/grpo_config.h"

namespace fathom::posttrain {

/// A_i of one group: (R_i - mean) / (std + 1e-4) with the sample deviation, or R_i - mean. Where
/// all rewards are alike (deviation below 1e-3, which rounding alone makes) it is 0. Elements that
/// are not `kept` leave the mean and the deviation too, and have 0; so has a group of one.
std::vector<double> group_advantages(std::span<const double> rewards, const std::vector<bool>& kept,
                                     GrpoAdvantage kind);

/// w_i for a sample of `tokens`: `step_tokens` and `step_samples` count what is kept of the step.
double sample_weight(GrpoWeighing weighing, i64 tokens, i64 step_tokens, i64 step_samples,
                     i64 max_tokens);

/// A term and its derivative by the token's log-probability (of a sequence ratio: by its
/// logarithm).
struct Term {
  double value = 0.0;
  double slope = 0.0;
  bool clipped_low = false, clipped_high = false;  // the bound decides: no gradient
};

/// min(r A, clip(r, 1 - low, 1 + high) A), r = e^log_ratio; log_ratio is held within +-20.
Term surrogate(double log_ratio, double advantage, double low, double high);

/// The distance to the reference, estimated at a sampled token.
///   k1 log(pi/ref)   k2 (log(pi/ref))^2 / 2   k3 ref/pi - log(ref/pi) - 1   k3-ratio r k3
Term kl_term(KlEstimator kind, double log_prob, double reference, double log_ratio);

/// DAPO's penalty for length: 0 up to max - buffer tokens, then linear to -1 at max.
double overlong_penalty(i64 tokens, i64 max_tokens, i64 buffer, bool truncated);

}  // namespace fathom::posttrain
