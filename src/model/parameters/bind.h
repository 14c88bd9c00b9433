#pragma once
// Which tensor goes to which field: the one place that says so, for weights and gradients alike.
// A source answers by tensor name:
//   matrix(name)          a weight matrix
//   vector(name)          a norm or a bias
//   embedding(name)       the embedding, which is looked up
//   tied_head(embedding)  the head of a model whose head is its embedding; the embedding is bound
#include <fmt/format.h>

#include <string>

#include "config/model/model_config.h"
#include "model/parameters/parameters.h"

namespace fathom::model {

inline std::string layer_prefix(i64 layer) { return fmt::format("model.layers.{}.", layer); }

/// `at`: what stands before the names of a part, "model.layers.3.mlp.".
template <typename Source, typename Ffn>
void bind_ffn(Source& source, const std::string& at, Ffn& p) {
  p.gate_proj = source.matrix(at + "gate_proj.weight");
  p.up_proj = source.matrix(at + "up_proj.weight");
  p.down_proj = source.matrix(at + "down_proj.weight");
}

template <typename Source, typename Mla>
void bind_mla(Source& source, const ModelConfig& config, const std::string& at, Mla& p) {
  if (config.q_lora_rank > 0) {
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
}

template <typename Source, typename Gqa>
void bind_gqa(Source& source, const ModelConfig& config, const std::string& at, Gqa& p) {
  p.q_proj = source.matrix(at + "q_proj.weight");
  p.k_proj = source.matrix(at + "k_proj.weight");
  p.v_proj = source.matrix(at + "v_proj.weight");
  if (config.has_qkv_bias()) {
    p.q_proj_bias = source.vector(at + "q_proj.bias");
    p.k_proj_bias = source.vector(at + "k_proj.bias");
    p.v_proj_bias = source.vector(at + "v_proj.bias");
  }
  if (config.has_qk_norm()) {
    p.q_norm = source.vector(at + "q_norm.weight");
    p.k_norm = source.vector(at + "k_norm.weight");
  }
  p.o_proj = source.matrix(at + "o_proj.weight");
  if (config.has_o_bias()) p.o_proj_bias = source.vector(at + "o_proj.bias");
}

template <typename Source, typename Moe>
void bind_moe(Source& source, const ModelConfig& config, const std::string& at, Moe& p) {
  p.gate = source.matrix(at + "gate.weight");
  if (config.topk_method == TopkMethod::kNoauxTc) {
    p.e_score_correction_bias = source.vector(at + "gate.e_score_correction_bias");
  }
  if (config.n_shared_experts > 0) {
    bind_ffn(source, at + "shared_experts.", p.shared_experts.emplace());
  }
  p.experts.reserve(static_cast<size_t>(config.n_routed_experts));
  for (i64 expert = 0; expert < config.n_routed_experts; ++expert) {
    bind_ffn(source, fmt::format("{}experts.{}.", at, expert), p.experts.emplace_back());
  }
}

/// `layer`: a main layer, or num_hidden_layers + k of an MTP module.
template <typename Source, typename Block>
void bind_block(Source& source, const ModelConfig& config, i64 layer, Block& p) {
  const std::string at = layer_prefix(layer);
  p.input_layernorm = source.vector(at + "input_layernorm.weight");
  if (config.is_mla()) {
    auto& mla = p.self_attn.template emplace<typename Block::Mla>();
    bind_mla(source, config, at + "self_attn.", mla);
  } else {
    auto& gqa = p.self_attn.template emplace<typename Block::Gqa>();
    bind_gqa(source, config, at + "self_attn.", gqa);
  }
  p.post_attention_layernorm = source.vector(at + "post_attention_layernorm.weight");
  if (config.is_moe_layer(layer)) {
    bind_moe(source, config, at + "mlp.", p.mlp.template emplace<typename Block::Moe>());
  } else {
    bind_ffn(source, at + "mlp.", p.mlp.template emplace<typename Block::Ffn>());
  }
}

template <typename Source, typename Mtp>
void bind_mtp(Source& source, const ModelConfig& config, i64 layer, Mtp& p) {
  const std::string at = layer_prefix(layer);
  p.enorm = source.vector(at + "enorm.weight");
  p.hnorm = source.vector(at + "hnorm.weight");
  p.eh_proj = source.matrix(at + "eh_proj.weight");
  bind_block(source, config, layer, p.block);
  p.shared_head_norm = source.vector(at + "shared_head.norm.weight");
}

/// Everything but MTP modules. `p` has embed_tokens, layers, norm and lm_head.
template <typename Source, typename Model>
void bind_main_model(Source& source, const ModelConfig& config, Model& p) {
  p.embed_tokens = source.embedding("model.embed_tokens.weight");
  p.layers.resize(static_cast<size_t>(config.num_hidden_layers));
  for (i64 layer = 0; layer < config.num_hidden_layers; ++layer) {
    bind_block(source, config, layer, p.layers[static_cast<size_t>(layer)]);
  }
  p.norm = source.vector("model.norm.weight");
  p.lm_head = config.tie_word_embeddings ? source.tied_head(p.embed_tokens)
                                         : source.matrix("lm_head.weight");
}

}  // namespace fathom::model
