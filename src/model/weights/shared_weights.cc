// Weights of a model in training, as inference reads them: by pointer, not by copy.
#include "checkpoint/parameter_layout.h"
#include "model/attention/rope.h"
#include "model/parameters/bind.h"
#include "model/weights/weights.h"

namespace fathom::model {
namespace {

struct FlatSource {
  const checkpoint::ParameterLayout& layout;
  const float* array;

  MatRef matrix(const std::string& name) const { return MatRef(layout.matrix(array, name)); }
  View<const float, 1> vector(const std::string& name) const { return layout.vector(array, name); }
  MatRef embedding(const std::string& name) const { return matrix(name); }
  MatRef tied_head(const MatRef& embedding) const { return embedding; }
};

}  // namespace

std::unique_ptr<Weights> share_weights(const ModelConfig& config,
                                       const checkpoint::ParameterLayout& layout,
                                       const float* array) {
  auto weights = std::make_unique<Weights>();
  weights->directory = "weights in training";
  weights->config = config;
  weights->rope = make_rope_table(config);
  weights->stored_bytes = layout.size() * static_cast<i64>(sizeof(float));
  FlatSource source{.layout = layout, .array = array};
  bind_main_model(source, config, *weights);
  return weights;
}

}  // namespace fathom::model
