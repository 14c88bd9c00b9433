#pragma once
#include "config/model/model_config.h"
#include "ops/elementwise/rope.h"

namespace fathom::model {

/// The rotary table of a config: frequencies after YaRN / Llama-3 / linear scaling, the factor on
/// cos and sin (1 for DeepSeek-V3: mscale and mscale_all_dim are equal), and the pairing: DeepSeek
/// stores interleaved pairs unless `rope_interleave` is false; Llama stores halves.
/// The factor m^2 on the softmax scale is not here but in ModelConfig::softmax_scale().
/// Source: DeepSeek-V3 §2.1.1, §4.3; Peng et al. 2023 (YaRN).
ops::RopeTable make_rope_table(const ModelConfig& config);

}  // namespace fathom::model
