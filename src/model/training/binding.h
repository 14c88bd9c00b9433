#pragma once
// From a layout's flat arrays to the layers' structs.
#include <vector>

#include "model/training/layers/mtp.h"

namespace fathom::model::training {

template <typename Matrix, typename Vector, typename Block, typename Mtp>
struct ModelParameters {
  std::vector<Block> layers;
  Vector norm{};
  Matrix head{};  // the embedding's if tied
  std::vector<Mtp> mtp;
};
struct TrainingModelWeights : ModelParameters<const PackedLinear*, View<const float, 1>,
                                              TrainingBlockWeights, TrainingMtpWeights> {
  MatRef embed_tokens;  // f32, looked up
};
struct ModelGrads : ModelParameters<View<float, 2>, View<float, 1>, BlockGrads, MtpGrads> {
  View<float, 2> embed_tokens;
};

/// The MoE layers of a config, MTP modules' last: [layer number]. Their order is that of
/// StepStats::expert_counts.
std::vector<i64> moe_layers(const ModelConfig& config);

TrainingModelWeights bind_weights(const ModelConfig& config,
                                  const checkpoint::ParameterLayout& layout, const float* weights,
                                  const PackedWeights& packed);
ModelGrads bind_grads(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                      float* gradients);

}  // namespace fathom::model::training
