#pragma once
// The angles' arithmetic that follows from a config alone. Everything in double.
#include <vector>

#include "base/types.h"
#include "config/model/model_config.h"

namespace fathom {

/// f_i = rope_theta^(-2i / rope_dim), i = 0 .. rope_dim/2 - 1, in radians a position, changed by
/// rope_scaling as the model was trained:
///   yarn    kept below the ramp's low end (fast pairs), f_i / factor above its high end, mixed
///           linearly between
///   llama3  long waves / factor, short ones kept, mixed between
///   linear  f_i / factor
/// Source: DeepSeek-V3 §4.3; Peng et al. 2023 (YaRN); transformers' modeling_rope_utils.
std::vector<double> rope_frequencies(const ModelConfig& config);

/// The pair indices between which YaRN's ramp runs: low = max(floor(corr(beta_fast)), 0),
/// high = min(ceil(corr(beta_slow)), rope_dim - 1). V3: 10 and 23.
struct YarnRamp {
  double low = 0.0;
  double high = 0.0;
};
YarnRamp yarn_ramp(const ModelConfig& config);
/// corr(n) = rope_dim * ln(original / (2 pi n)) / (2 ln rope_theta): the pair that makes n turns
/// within the original context.
double yarn_correction(const ModelConfig& config, double rotations);

/// 0.1 * mscale * ln(factor) + 1 for factor > 1, else 1.
double yarn_mscale(double factor, double mscale);

/// What multiplies cos and sin: attention_factor if given; else mscale(factor, mscale) /
/// mscale(factor, mscale_all_dim) if both are given (exactly 1 for V3); else mscale(factor, 1);
/// 1 without YaRN.
float rope_cos_sin_factor(const ModelConfig& config);

}  // namespace fathom
