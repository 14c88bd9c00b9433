#include "plan/memory/model_counts.h"

#include "config/model/parameter_list.h"

namespace fathom::plan {

ModelCounts model_counts(const ModelConfig& config) {
  ModelCounts counts;
  counts.layers.resize(
      static_cast<size_t>(config.num_hidden_layers + config.num_nextn_predict_layers));
  for_each_parameter(config, [&](const Parameter& parameter) {
    if (parameter.shared_copy) return;  // the copies lie where the originals do: V3 §3.2.3
    const auto n = static_cast<double>(parameter.elements());
    if (parameter.layer >= 0) {
      LayerParameters& layer = counts.layers[static_cast<size_t>(parameter.layer)];
      (parameter.expert >= 0 ? layer.expert : layer.dense) += n;
    } else if (parameter.part == ModelPart::kEmbedding) {
      counts.embedding += n;
    } else {
      counts.head += n;
    }
  });
  return counts;
}

}  // namespace fathom::plan
