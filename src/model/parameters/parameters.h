#pragma once
// The parameters of every layer, declared once for all that has the model's shape: the weights of a
// checkpoint, the packed weights of training, their gradients. What stands for a matrix
// ([out, in] row-major), for a vector, for a feed-forward is a template argument. All are
// non-owning. Names are the checkpoint's; paper symbols on the right. bind.h fills them by name.
#include <optional>
#include <variant>
#include <vector>

namespace fathom::model {

/// One Multi-head Latent Attention layer. DeepSeek-V3 §2.1.1.
template <typename Matrix, typename Vector>
struct MlaParameters {
  Matrix q_proj{};              // [heads*(nope+rope), hidden]        W^Q; if no q_lora_rank
  Matrix q_a_proj{};            // [q_lora_rank, hidden]              W^DQ
  Vector q_a_layernorm{};       // [q_lora_rank]                      §4.2
  Matrix q_b_proj{};            // [heads*(nope+rope), q_lora_rank]   W^UQ ; W^QR
  Matrix kv_a_proj_with_mqa{};  // [kv_lora_rank+rope, hidden]        W^DKV ; W^KR
  Vector kv_a_layernorm{};      // [kv_lora_rank]                     §4.2
  Matrix kv_b_proj{};           // [heads*(nope+v), kv_lora_rank]     W^UK ; W^UV, by head
  Matrix o_proj{};              // [hidden, heads*v]                  W^O
};

/// One multi-head attention layer with grouped keys and values (Llama, Qwen). Query head i reads
/// key/value head i * kv_heads / heads. Vectors that the config does not ask for are empty.
template <typename Matrix, typename Vector>
struct GqaParameters {
  Matrix q_proj{};       // [heads*head_dim, hidden]
  Matrix k_proj{};       // [kv_heads*head_dim, hidden]
  Matrix v_proj{};       // [kv_heads*head_dim, hidden]
  Vector q_proj_bias{};  // [heads*head_dim]     has_qkv_bias(), as the next two
  Vector k_proj_bias{};  // [kv_heads*head_dim]
  Vector v_proj_bias{};  // [kv_heads*head_dim]
  Vector q_norm{};       // [head_dim]           has_qk_norm(): every head, before RoPE
  Vector k_norm{};       // [head_dim]
  Matrix o_proj{};       // [hidden, heads*head_dim]
  Vector o_proj_bias{};  // [hidden]             has_o_bias()
};

/// One SwiGLU feed-forward: a dense layer, the shared experts, or one routed expert. (Inference
/// has its own struct of the same fields, ops::FfnWeights.)
template <typename Matrix>
struct FfnParameters {
  Matrix gate_proj{};  // [intermediate, hidden]
  Matrix up_proj{};    // [intermediate, hidden]
  Matrix down_proj{};  // [hidden, intermediate]
};

/// One DeepSeekMoE layer. DeepSeek-V3 §2.1.2.
template <typename Matrix, typename Vector, typename FfnType>
struct MoeParameters {
  using Ffn = FfnType;
  Matrix gate{};                      // [experts, hidden]  the experts' centroids e_i
  Vector e_score_correction_bias{};   // [experts]  b_i; empty without noaux_tc
  std::optional<Ffn> shared_experts;  // all of them as one SwiGLU of n_shared_experts *
                                      // moe_intermediate_size
  std::vector<Ffn> experts;           // [experts] of width moe_intermediate_size
};

/// One decoder layer.
template <typename Matrix, typename Vector, typename FfnType, typename MoeType>
struct BlockParameters {
  using Mla = MlaParameters<Matrix, Vector>;
  using Gqa = GqaParameters<Matrix, Vector>;
  using Ffn = FfnType;
  using Moe = MoeType;
  Vector input_layernorm{};  // [hidden]
  std::variant<Mla, Gqa> self_attn;
  Vector post_attention_layernorm{};  // [hidden]  the feed-forward's pre-norm
  std::variant<Ffn, Moe> mlp;         // dense SwiGLU or experts
};

/// One multi-token-prediction module, layer num_hidden_layers + k - 1 of the checkpoint.
/// DeepSeek-V3 §2.2. Embedding and head are the main model's, or copies of them.
template <typename Matrix, typename Vector, typename Block>
struct MtpParameters {
  Vector enorm{};             // [hidden]            of the embedding
  Vector hnorm{};             // [hidden]            of the hidden state
  Matrix eh_proj{};           // [hidden, 2*hidden]  M_k; multiplies [embedding ; hidden]
  Block block{};              // TRM_k
  Vector shared_head_norm{};  // [hidden]
};

}  // namespace fathom::model
