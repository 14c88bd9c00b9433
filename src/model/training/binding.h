#pragma once
// From a layout's flat arrays to the layers' structs.
#include <vector>

#include "model/training/layers/mtp.h"

namespace fathom::model::training {

template <typename Embedding, typename Matrix, typename Vector, typename Block, typename Mtp>
struct ModelParameters {
  Embedding embed_tokens{};  // [vocab, hidden] f32, looked up
  std::vector<Block> layers;
  Vector norm{};
  Matrix lm_head{};  // the embedding's if tied
  std::vector<Mtp> mtp;
};
using TrainingModelWeights = ModelParameters<MatRef, const PackedLinear*, View<const float, 1>,
                                             TrainingBlockWeights, TrainingMtpWeights>;
using ModelGrads =
    ModelParameters<View<float, 2>, View<float, 2>, View<float, 1>, BlockGrads, MtpGrads>;

TrainingModelWeights bind_weights(const ModelConfig& config,
                                  const checkpoint::ParameterLayout& layout, const float* weights,
                                  const PackedWeights& packed);
ModelGrads bind_grads(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                      float* gradients);

}  // namespace fathom::model::training
