#include "config/model/model_config.h"

#include <cmath>

#include "config/model/model_config_enums.h"
#include "config/model/rope_frequencies.h"

namespace fathom {

std::string_view to_string(Architecture architecture) {
  return name_of(kArchitectureNames, architecture);
}
std::string_view to_string(ScoringFunc scoring_func) {
  return name_of(kScoringFuncNames, scoring_func);
}
std::string_view to_string(TopkMethod topk_method) {
  return name_of(kTopkMethodNames, topk_method);
}
std::string_view to_string(RopeType type) { return name_of(kRopeTypeNames, type); }

bool ModelConfig::is_moe_layer(i64 layer) const {
  return has_experts() && layer >= first_k_dense_replace && layer % moe_layer_freq == 0;
}

float ModelConfig::softmax_scale() const {
  double scale = 1.0 / std::sqrt(static_cast<double>(qk_head_dim()));
  if (is_mla() && rope_scaling && rope_scaling->type == RopeType::kYarn &&
      rope_scaling->mscale_all_dim != 0.0) {
    const double m = yarn_mscale(rope_scaling->factor, rope_scaling->mscale_all_dim);
    scale *= m * m;
  }
  return static_cast<float>(scale);
}

}  // namespace fathom
