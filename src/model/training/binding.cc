#include "model/training/binding.h"

#include <fmt/format.h>

namespace fathom::model::training {
namespace {

/// What a name stands for among the weights.
struct WeightSource {
  using Block = TrainingBlockWeights;
  using Mla = TrainingMlaWeights;
  using Gqa = TrainingGqaWeights;
  using Ffn = TrainingFfnWeights;
  using Moe = TrainingMoeWeights;
  using Mtp = TrainingMtpWeights;
  const checkpoint::ParameterLayout& layout;
  const float* array;
  const PackedWeights& packed;

  const PackedLinear* matrix(const std::string& name) const { return packed.find(name); }
  View<const float, 1> vector(const std::string& name) const { return layout.vector(array, name); }
};

/// And among the gradients.
struct GradSource {
  using Block = BlockGrads;
  using Mla = MlaGrads;
  using Gqa = GqaGrads;
  using Ffn = FfnGrads;
  using Moe = MoeGrads;
  using Mtp = MtpGrads;
  const checkpoint::ParameterLayout& layout;
  float* array;

  View<float, 2> matrix(const std::string& name) const { return layout.matrix(array, name); }
  View<float, 1> vector(const std::string& name) const { return layout.vector(array, name); }
};

template <typename Source>
typename Source::Mla bind_mla(const Source& source, const ModelConfig& c, const std::string& at) {
  typename Source::Mla p;
  if (c.q_lora_rank > 0) {
    p.q_a_proj = source.matrix(at + "q_a_proj.weight");
    p.q_a_layernorm = source.vector(at + "q_a_layernorm.weight");
    p.q_b_proj = source.matrix(at + "q_b_proj.weight");
  } else {
    p.q_proj = source.matrix(at + "q_proj.weight");
  }
  p.kv_a_proj_with_mqa = source.matrix(at + "kv_a_proj_with_mqa.weight");
  p.kv_a_layernorm = source.vector(at + "kv_a_layernorm.weight");
  p.kv_b_proj = source.matrix(at + "kv_b_proj.weight");
  p.o_proj = source.matrix(at + "o_proj.weight");
  return p;
}

template <typename Source>
typename Source::Gqa bind_gqa(const Source& source, const std::string& at) {
  return {.q_proj = source.matrix(at + "q_proj.weight"),
          .k_proj = source.matrix(at + "k_proj.weight"),
          .v_proj = source.matrix(at + "v_proj.weight"),
          .o_proj = source.matrix(at + "o_proj.weight")};
}

template <typename Source>
typename Source::Ffn bind_ffn(const Source& source, const std::string& at) {
  return {.gate_proj = source.matrix(at + "gate_proj.weight"),
          .up_proj = source.matrix(at + "up_proj.weight"),
          .down_proj = source.matrix(at + "down_proj.weight")};
}

template <typename Source>
typename Source::Moe bind_moe(const Source& source, const ModelConfig& c, const std::string& at) {
  typename Source::Moe p;
  p.gate = source.matrix(at + "gate.weight");
  for (i64 e = 0; e < c.n_routed_experts; ++e) {
    p.experts.push_back(bind_ffn(source, fmt::format("{}experts.{}.", at, e)));
  }
  p.has_shared_experts = c.n_shared_experts > 0;
  if (p.has_shared_experts) p.shared_experts = bind_ffn(source, at + "shared_experts.");
  return p;
}

template <typename Source>
typename Source::Block bind_block(const Source& source, const ModelConfig& c, i64 layer) {
  const std::string at = fmt::format("model.layers.{}.", layer);
  typename Source::Block p;
  p.input_layernorm = source.vector(at + "input_layernorm.weight");
  if (c.is_mla()) {
    p.self_attn = bind_mla(source, c, at + "self_attn.");
  } else {
    p.self_attn = bind_gqa(source, at + "self_attn.");
  }
  p.post_attention_layernorm = source.vector(at + "post_attention_layernorm.weight");
  if (c.is_moe_layer(layer)) {
    p.mlp = bind_moe(source, c, at + "mlp.");
  } else {
    p.mlp = bind_ffn(source, at + "mlp.");
  }
  return p;
}

template <typename Source>
typename Source::Mtp bind_mtp(const Source& source, const ModelConfig& c, i64 layer) {
  const std::string at = fmt::format("model.layers.{}.", layer);
  return {.enorm = source.vector(at + "enorm.weight"),
          .hnorm = source.vector(at + "hnorm.weight"),
          .eh_proj = source.matrix(at + "eh_proj.weight"),
          .block = bind_block(source, c, layer),
          .shared_head_norm = source.vector(at + "shared_head.norm.weight")};
}

template <typename Source, typename Parameters>
void bind_model(const Source& source, const ModelConfig& c, Parameters& p) {
  for (i64 layer = 0; layer < c.num_hidden_layers; ++layer) {
    p.layers.push_back(bind_block(source, c, layer));
  }
  p.norm = source.vector("model.norm.weight");
  p.head = source.matrix(c.tie_word_embeddings ? "model.embed_tokens.weight" : "lm_head.weight");
  for (i64 k = 0; k < c.num_nextn_predict_layers; ++k) {
    p.mtp.push_back(bind_mtp(source, c, c.num_hidden_layers + k));
  }
}

}  // namespace

std::vector<i64> moe_layers(const ModelConfig& config) {
  std::vector<i64> layers;
  for (i64 i = 0; i < config.num_hidden_layers + config.num_nextn_predict_layers; ++i) {
    if (config.is_moe_layer(i)) layers.push_back(i);
  }
  return layers;
}

TrainingModelWeights bind_weights(const ModelConfig& config,
                                  const checkpoint::ParameterLayout& layout, const float* weights,
                                  const PackedWeights& packed) {
  TrainingModelWeights p;
  bind_model(WeightSource{.layout = layout, .array = weights, .packed = packed}, config, p);
  p.embed_tokens = MatRef(layout.matrix(weights, "model.embed_tokens.weight"));
  const std::vector<i64> layers = moe_layers(config);
  for (size_t i = 0; i < layers.size(); ++i) {
    const i64 main = config.num_hidden_layers;
    TrainingBlockWeights& block = layers[i] < main
                                      ? p.layers[static_cast<size_t>(layers[i])]
                                      : p.mtp[static_cast<size_t>(layers[i] - main)].block;
    TrainingMoeWeights& moe = std::get<TrainingMoeWeights>(block.mlp);
    moe.moe_layer = static_cast<i64>(i);
    if (config.topk_method == TopkMethod::kNoauxTc) {
      moe.e_score_correction_bias = layout.vector(
          weights, fmt::format("model.layers.{}.mlp.gate.e_score_correction_bias", layers[i]));
    }
  }
  return p;
}

ModelGrads bind_grads(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                      float* gradients) {
  ModelGrads p;
  bind_model(GradSource{.layout = layout, .array = gradients}, config, p);
  p.embed_tokens = layout.matrix(gradients, "model.embed_tokens.weight");
  return p;
}

}  // namespace fathom::model::training
