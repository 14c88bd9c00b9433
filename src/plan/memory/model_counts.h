#pragma once
// What plans need of a model's parameters, summed once: walking all tensors takes longer than a
// plan.
#include <vector>

#include "config/model/model_config.h"

namespace fathom::plan {

struct LayerParameters {
  double dense = 0.0;   // attention, norms, router, shared experts, dense FFN
  double expert = 0.0;  // of all routed experts
};

struct ModelCounts {
  std::vector<LayerParameters> layers;  // MTP modules behind the main layers, without their copies
  double embedding = 0.0;
  double head = 0.0;  // with the final norm
};

ModelCounts model_counts(const ModelConfig& config);

}  // namespace fathom::plan
