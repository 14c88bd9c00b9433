#include "model/training/binding.h"

#include "model/parameters/bind.h"

namespace fathom::model::training {
namespace {

/// What a name stands for among the weights; nothing, of what another rank holds.
struct WeightSource {
  const checkpoint::ParameterLayout& layout;
  const float* array;
  const PackedWeights& packed;

  const PackedLinear* matrix(const std::string& name) const {
    return layout.find(name) == nullptr ? nullptr : packed.find(name);
  }
  View<const float, 1> vector(const std::string& name) const {
    return layout.find(name) == nullptr ? View<const float, 1>() : layout.vector(array, name);
  }
  MatRef embedding(const std::string& name) const {
    return layout.find(name) == nullptr ? MatRef() : MatRef(layout.matrix(array, name));
  }
  const PackedLinear* tied_head(const MatRef&) const { return packed.tied_head(); }
};

/// And among the gradients.
struct GradSource {
  const checkpoint::ParameterLayout& layout;
  float* array;

  View<float, 2> matrix(const std::string& name) const {
    return layout.find(name) == nullptr ? View<float, 2>() : layout.matrix(array, name);
  }
  View<float, 1> vector(const std::string& name) const {
    return layout.find(name) == nullptr ? View<float, 1>() : layout.vector(array, name);
  }
  View<float, 2> embedding(const std::string& name) const { return matrix(name); }
  View<float, 2> tied_head(View<float, 2> embedding) const { return embedding; }
};

template <typename Source, typename Parameters>
void bind_model(const Source& source, const ModelConfig& config, Parameters& p) {
  bind_main_model(source, config, p);
  for (i64 k = 0; k < config.num_nextn_predict_layers; ++k) {
    bind_mtp(source, config, config.num_hidden_layers + k, p.mtp.emplace_back());
  }
}

/// moe_layer of every MoE layer, in the order of moe_layers().
void number_moe_layers(TrainingModelWeights& p) {
  i64 next = 0;
  const auto number = [&](TrainingBlockWeights& block) {
    if (auto* moe = std::get_if<TrainingMoeWeights>(&block.mlp)) moe->moe_layer = next++;
  };
  for (TrainingBlockWeights& block : p.layers) number(block);
  for (TrainingMtpWeights& module : p.mtp) number(module.block);
}

}  // namespace

TrainingModelWeights bind_weights(const ModelConfig& config,
                                  const checkpoint::ParameterLayout& layout, const float* weights,
                                  const PackedWeights& packed) {
  TrainingModelWeights p;
  bind_model(WeightSource{.layout = layout, .array = weights, .packed = packed}, config, p);
  number_moe_layers(p);
  return p;
}

ModelGrads bind_grads(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                      float* gradients) {
  ModelGrads p;
  bind_model(GradSource{.layout = layout, .array = gradients}, config, p);
  return p;
}

}  // namespace fathom::model::training
