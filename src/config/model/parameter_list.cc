#include "config/model/parameter_list.h"

#include <fmt/format.h>

#include "base/checked_math.h"

namespace fathom {
namespace {

/// Walks one config; knows the layer it is in.
class Lister {
 public:
  Lister(const ModelConfig& config, const std::function<void(const Parameter&)>& visit)
      : c_(config), visit_(visit) {}

  void list() {
    const i64 hidden = c_.hidden_size;
    add("model.embed_tokens.weight", {c_.vocab_size, hidden}, ParameterKind::kMatrixBf16,
        ModelPart::kEmbedding);
    for (i64 layer = 0; layer < c_.num_hidden_layers; ++layer) list_layer(layer);
    layer_ = -1;
    add("model.norm.weight", {hidden}, ParameterKind::kNorm, ModelPart::kNorms);
    if (!c_.tie_word_embeddings) {
      add("lm_head.weight", {c_.vocab_size, hidden}, ParameterKind::kMatrixBf16, ModelPart::kHead);
    }
    for (i64 i = 0; i < c_.num_nextn_predict_layers; ++i) list_mtp(c_.num_hidden_layers + i);
  }

 private:
  void list_layer(i64 layer) {
    layer_ = layer;
    prefix_ = fmt::format("model.layers.{}.", layer);
    add_norm("input_layernorm", c_.hidden_size, ModelPart::kNorms);
    if (c_.is_mla()) {
      list_mla();
    } else {
      list_attention();
    }
    add_norm("post_attention_layernorm", c_.hidden_size, ModelPart::kNorms);
    if (c_.is_moe_layer(layer)) {
      list_moe();
    } else {
      list_ffn("mlp.", c_.intermediate_size, ModelPart::kDenseFfn);
    }
  }

  void list_mla() {
    const i64 heads = c_.num_attention_heads;
    const i64 hidden = c_.hidden_size;
    const i64 queries = heads * c_.qk_head_dim();
    if (c_.q_lora_rank > 0) {
      add_linear("self_attn.q_a_proj", c_.q_lora_rank, hidden, ModelPart::kAttention);
      add_norm("self_attn.q_a_layernorm", c_.q_lora_rank, ModelPart::kAttention);
      add_linear("self_attn.q_b_proj", queries, c_.q_lora_rank, ModelPart::kAttention);
    } else {
      add_linear("self_attn.q_proj", queries, hidden, ModelPart::kAttention);
    }
    add_linear("self_attn.kv_a_proj_with_mqa", c_.latent_dim(), hidden, ModelPart::kAttention);
    add_norm("self_attn.kv_a_layernorm", c_.kv_lora_rank, ModelPart::kAttention);
    add_linear("self_attn.kv_b_proj", heads * (c_.qk_nope_head_dim + c_.v_head_dim),
               c_.kv_lora_rank, ModelPart::kAttention);
    add_linear("self_attn.o_proj", hidden, heads * c_.v_head_dim, ModelPart::kAttention);
  }

  void list_attention() {
    const i64 hidden = c_.hidden_size;
    const i64 queries = c_.num_attention_heads * c_.head_dim;
    const i64 keys = c_.num_key_value_heads * c_.head_dim;
    add_linear("self_attn.q_proj", queries, hidden, ModelPart::kAttention);
    add_linear("self_attn.k_proj", keys, hidden, ModelPart::kAttention);
    add_linear("self_attn.v_proj", keys, hidden, ModelPart::kAttention);
    if (c_.has_qkv_bias()) {
      add_bias("self_attn.q_proj", queries);
      add_bias("self_attn.k_proj", keys);
      add_bias("self_attn.v_proj", keys);
    }
    if (c_.has_qk_norm()) {
      add_norm("self_attn.q_norm", c_.head_dim, ModelPart::kAttention);
      add_norm("self_attn.k_norm", c_.head_dim, ModelPart::kAttention);
    }
    add_linear("self_attn.o_proj", hidden, queries, ModelPart::kAttention);
    if (c_.has_o_bias()) add_bias("self_attn.o_proj", hidden);
  }

  void list_ffn(const std::string& where, i64 width, ModelPart part) {
    add_linear(where + "gate_proj", width, c_.hidden_size, part);
    add_linear(where + "up_proj", width, c_.hidden_size, part);
    add_linear(where + "down_proj", c_.hidden_size, width, part);
  }

  void list_moe() {
    add(prefix_ + "mlp.gate.weight", {c_.n_routed_experts, c_.hidden_size},
        ParameterKind::kMatrixBf16, ModelPart::kRouter);
    if (c_.topk_method == TopkMethod::kNoauxTc) {
      add(prefix_ + "mlp.gate.e_score_correction_bias", {c_.n_routed_experts},
          ParameterKind::kRouterBias, ModelPart::kRouter);
    }
    for (expert_ = 0; expert_ < c_.n_routed_experts; ++expert_) {
      list_ffn(fmt::format("mlp.experts.{}.", expert_), c_.moe_intermediate_size,
               ModelPart::kRoutedExperts);
    }
    expert_ = -1;
    if (c_.n_shared_experts > 0) {
      list_ffn("mlp.shared_experts.", c_.n_shared_experts * c_.moe_intermediate_size,
               ModelPart::kSharedExperts);
    }
  }

  /// Source: DeepSeek-V3 §2.2; the released checkpoint's layer 61.
  void list_mtp(i64 layer) {
    const i64 hidden = c_.hidden_size;
    mtp_ = true;
    layer_ = layer;
    prefix_ = fmt::format("model.layers.{}.", layer);
    shared_copy_ = true;
    add(prefix_ + "embed_tokens.weight", {c_.vocab_size, hidden}, ParameterKind::kMatrixBf16,
        ModelPart::kMtp);
    shared_copy_ = false;
    add_norm("enorm", hidden, ModelPart::kMtp);
    add_norm("hnorm", hidden, ModelPart::kMtp);
    add(prefix_ + "eh_proj.weight", {hidden, 2 * hidden}, ParameterKind::kMatrixBf16,
        ModelPart::kMtp);
    list_layer(layer);
    add_norm("shared_head.norm", hidden, ModelPart::kMtp);
    shared_copy_ = true;
    add(prefix_ + "shared_head.head.weight", {c_.vocab_size, hidden}, ParameterKind::kMatrixBf16,
        ModelPart::kMtp);
    shared_copy_ = false;
    mtp_ = false;
  }

  void add_linear(const std::string& name, i64 out, i64 in, ModelPart part) {
    add(prefix_ + name + ".weight", {out, in}, ParameterKind::kMatrix, part);
  }
  void add_bias(const std::string& name, i64 out) {
    add(prefix_ + name + ".bias", {out}, ParameterKind::kBias, ModelPart::kAttention);
  }
  void add_norm(const std::string& name, i64 dim, ModelPart part) {
    add(prefix_ + name + ".weight", {dim}, ParameterKind::kNorm, part);
  }
  void add(std::string name, std::vector<i64> shape, ParameterKind kind, ModelPart part) {
    visit_({.name = std::move(name),
            .shape = std::move(shape),
            .kind = kind,
            .part = mtp_ ? ModelPart::kMtp : part,
            .role = part,
            .layer = layer_,
            .expert = expert_,
            .shared_copy = shared_copy_});
  }

  const ModelConfig& c_;
  const std::function<void(const Parameter&)>& visit_;
  std::string prefix_;
  i64 layer_ = -1;
  i64 expert_ = -1;
  bool mtp_ = false;
  bool shared_copy_ = false;
};

}  // namespace

std::string_view to_string(ModelPart part) {
  switch (part) {
    case ModelPart::kEmbedding:
      return "embedding";
    case ModelPart::kHead:
      return "head";
    case ModelPart::kAttention:
      return "attention";
    case ModelPart::kDenseFfn:
      return "dense FFN";
    case ModelPart::kRoutedExperts:
      return "routed experts";
    case ModelPart::kSharedExperts:
      return "shared experts";
    case ModelPart::kRouter:
      return "router";
    case ModelPart::kNorms:
      return "norms";
    case ModelPart::kMtp:
      return "MTP";
  }
  return "?";
}

i64 Parameter::elements() const {
  i64 product = 1;
  for (const i64 extent : shape) product *= extent;
  return product;
}

void for_each_parameter(const ModelConfig& config,
                        const std::function<void(const Parameter&)>& visit) {
  Lister(config, visit).list();
}

std::array<i64, 2> scale_shape(std::span<const i64> matrix_shape) {
  return {ceil_div(matrix_shape[0], 128), ceil_div(matrix_shape[1], 128)};
}

}  // namespace fathom
