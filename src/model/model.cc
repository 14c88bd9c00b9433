#include "model/model.h"

#include "base/check.h"
#include "model/step_profile.h"
#include "model/weights/weights.h"

namespace fathom::model {

std::string_view to_string(StepPart part) {
  switch (part) {
    case StepPart::kAttention:
      return "attention";
    case StepPart::kExperts:
      return "experts";
    case StepPart::kDenseFfn:
      return "dense";
    case StepPart::kHead:
      return "head";
  }
  return "?";
}

Model::Model() = default;
Model::~Model() = default;

std::unique_ptr<Model> Model::load(Ctx& ctx, const std::string& path, const LoadOptions& options) {
  std::unique_ptr<Model> model(new Model());  // the constructor is private
  model->weights_ = load_weights(ctx, path, options.gguf_dtype, options.on_progress);
  return model;
}

std::unique_ptr<Model> Model::random(Ctx& ctx, const ModelConfig& config,
                                     const RandomWeights& options) {
  std::unique_ptr<Model> model(new Model());
  model->weights_ = make_random_weights(ctx, config, options);
  return model;
}

std::unique_ptr<Model> Model::share(const ModelConfig& config,
                                    const checkpoint::ParameterLayout& layout,
                                    std::span<const float> array) {
  FATHOM_CHECK(std::ssize(array) == layout.size(), "an array of ", array.size(), " for ",
               layout.size(), " elements");
  std::unique_ptr<Model> model(new Model());
  model->weights_ = share_weights(config, layout, array.data());
  return model;
}

const ModelConfig& Model::config() const { return weights_->config; }
const std::string& Model::directory() const { return weights_->directory; }
i64 Model::weight_bytes() const { return weights_->stored_bytes; }
ReadBytes Model::read_bytes() const { return model::read_bytes(*weights_); }
i64 Model::num_mtp() const { return std::ssize(weights_->mtp); }

std::span<const device::FfnWeights> Model::routed_experts(i64 layer) const {
  const Weights& w = *weights_;
  const i64 main_layers = std::ssize(w.layers);
  FATHOM_CHECK(layer >= 0 && layer < main_layers + num_mtp(), "layer ", layer, " of ",
               main_layers + num_mtp());
  const BlockWeights& block = layer < main_layers
                                  ? w.layers[static_cast<size_t>(layer)]
                                  : w.mtp[static_cast<size_t>(layer - main_layers)].block;
  const auto* moe = std::get_if<MoeWeights>(&block.mlp);
  if (moe == nullptr) return {};
  return moe->experts;
}

}  // namespace fathom::model
