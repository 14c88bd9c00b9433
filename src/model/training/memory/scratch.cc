#include "model/training/memory/scratch.h"

#include <algorithm>

#include "model/training/layers/loss_head.h"
#include "ops/causal_attention/causal_attention.h"

namespace fathom::model::training {
namespace {

constexpr i64 kFloatBytes = 4;

/// Counts what the functions of the same name allocate at their deepest.
class ScratchBound {
 public:
  ScratchBound(const Ctx& ctx, const PassShape& shape, i64 sequences, i64 seq_len)
      : ctx_(ctx),
        c_(shape.config),
        p_(shape.precision),
        room_(shape.room),
        tokens_(sequences * seq_len),
        seq_len_(seq_len) {}

  i64 bytes() const {
    const i64 stream = floats(tokens_, c_.hidden_size);
    // Gradients of the heads' inputs and of MTP's embeddings live through the pass, as does dx; a
    // module's block has an embedding and a dx of its own beside them. A branch holds x, its input
    // and the gradient of that.
    const i64 modules = c_.num_nextn_predict_layers;
    const i64 heads = (2 + 2 * modules + (modules > 0 ? 2 : 0)) * stream;
    i64 widest = c_.is_mla() ? mla() : gqa();
    for (i64 i = 0; i < c_.num_hidden_layers + c_.num_nextn_predict_layers; ++i) {
      widest = std::max(widest, c_.is_moe_layer(i) ? moe() : dense(c_.intermediate_size));
    }
    // The lists of a call's jobs, one an expert, and what aligning each array takes.
    constexpr i64 kJobBytes = 512;
    const i64 lists = (1 + c_.n_routed_experts) * kJobBytes;
    return heads + std::max(head(), 3 * stream + widest) + ops::pack_scratch_bytes(ctx_) + lists;
  }

 private:
  static i64 floats(i64 rows, i64 cols) { return rows * cols * kFloatBytes; }
  i64 packed(i64 rows, i64 k) const {
    return ops::packed_bytes(ctx_, rows, k, p_.linear().gradient);
  }
  /// Operands of all experts: each one's rows or K is padded by itself.
  i64 packed_rows(i64 k) const { return packed(permuted_rows() + 15 * active_experts(), k); }
  i64 packed_rows_transposed(i64 rows) const {
    const i64 padding = ops::packed_k_multiple(ctx_, p_.linear().gradient) - 1;
    return packed(rows, permuted_rows() + padding * active_experts());
  }
  i64 permuted_rows() const {
    return room_ == nullptr ? tokens_ * c_.num_experts_per_tok : room_->pairs;
  }
  i64 active_experts() const {
    return std::min(room_ == nullptr ? c_.n_routed_experts : room_->experts, permuted_rows());
  }
  /// Gradients that arrive, what is added up before it goes back, and the messages of a round.
  i64 exchange() const {
    if (room_ == nullptr) return 0;
    const i64 pairs_a_row =
        room_->wire == ExpertWire::kF32 ? std::min(c_.num_experts_per_tok, room_->experts) : 1;
    const i64 row = floats(pairs_a_row, c_.hidden_size + 2 * c_.num_experts_per_tok);
    return floats(room_->rows + std::max(room_->rows, permuted_rows()), c_.hidden_size) +
           2 * room_->round_rows * row;
  }
  /// Both operands of a wgrad.
  i64 wgrad(i64 out, i64 in) const { return packed(out, tokens_) + packed(in, tokens_); }

  i64 head() const {
    const i64 rows = head_chunk_tokens(c_.vocab_size, tokens_);
    const ops::GemmRounding& rounding = p_.wide().gradient;
    return floats(rows, c_.vocab_size) + rows * 9 +
           ops::packed_bytes(ctx_, c_.vocab_size, rows, rounding) +
           ops::packed_bytes(ctx_, c_.hidden_size, rows, rounding);
  }

  i64 attention_op() const {
    return ops::causal_attention_scratch_bytes(ctx_, tokens_ / seq_len_, seq_len_,
                                               c_.num_attention_heads, c_.qk_head_dim(),
                                               c_.value_head_dim(), p_.bf16_attention());
  }

  i64 mla() const {
    const i64 heads = c_.num_attention_heads, latent = c_.latent_dim();
    const i64 q = heads * c_.qk_head_dim();
    const i64 kv = heads * (c_.qk_nope_head_dim + c_.v_head_dim);
    const i64 both_halves =
        floats(tokens_, 3 * c_.q_lora_rank + 2 * latent + c_.kv_lora_rank + q + kv);
    const i64 attention =
        floats(tokens_, q + kv + heads * (2 * c_.v_head_dim + c_.qk_rope_head_dim)) +
        std::max(attention_op(), packed(tokens_, std::max(c_.hidden_size, q)));
    const i64 weights =
        std::max({wgrad(c_.hidden_size, heads * c_.v_head_dim), wgrad(kv, c_.kv_lora_rank),
                  wgrad(latent, c_.hidden_size), wgrad(q, std::max(c_.q_lora_rank, i64{1}))});
    return both_halves + std::max(attention, weights);
  }

  i64 gqa() const {
    const i64 q = c_.num_attention_heads * c_.head_dim, kv = c_.num_key_value_heads * c_.head_dim;
    const i64 attention =
        floats(tokens_, 5 * q + 2 * kv) + std::max(attention_op(), packed(tokens_, c_.hidden_size));
    return floats(tokens_, q + 2 * kv) + std::max(attention, wgrad(q, c_.hidden_size));
  }

  /// One SwiGLU over all tokens.
  i64 dense(i64 width) const {
    const i64 weights = 2 * packed(width, tokens_) + packed(c_.hidden_size, tokens_);
    const i64 inputs = floats(tokens_, width) + packed(tokens_, std::max(width, c_.hidden_size));
    return floats(tokens_, 3 * width) + std::max(weights, inputs);
  }

  i64 moe() const {
    const i64 width = c_.moe_intermediate_size, hidden = c_.hidden_size;
    const i64 shared_width = c_.n_shared_experts * width;
    const i64 both_halves = floats(permuted_rows(), 3 * width + 2) +
                            floats(tokens_, 3 * shared_width + c_.n_routed_experts);
    const i64 dx_rows = floats(permuted_rows(), hidden);
    const i64 swiglu = dx_rows + floats(permuted_rows(), width) + packed_rows(hidden);
    const i64 gate_up = dx_rows + packed_rows(width);
    const i64 weights = 2 * packed_rows_transposed(width) + packed_rows_transposed(hidden);
    const i64 shared = dense(shared_width) - floats(tokens_, 3 * shared_width);
    return both_halves + exchange() + std::max({swiglu, gate_up, weights, shared});
  }

  const Ctx& ctx_;
  const ModelConfig& c_;
  const Precision& p_;
  const ExchangeRoom* room_;
  i64 tokens_, seq_len_;
};

}  // namespace

i64 pass_scratch_bytes(const Ctx& ctx, const PassShape& shape, i64 sequences, i64 seq_len) {
  return ScratchBound(ctx, shape, sequences, seq_len).bytes();
}

}  // namespace fathom::model::training
