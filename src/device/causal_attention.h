#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

/// Rows are tokens of sequences laid end to end, seq_len each: row = sequence * seq_len + position.
/// Query head h reads key head h * kv_heads / heads; the rope part has its own count of key heads
/// (MLA: one). MLA expanded and MHA/GQA are the same op on other views.
struct CausalAttentionInputs {
  View<const float, 3> q;       // [tokens, heads, dim]
  View<const float, 3> k;       // [tokens, kv_heads, dim]
  View<const float, 3> q_rope;  // [tokens, heads, rope]          empty: no second part
  View<const float, 3> k_rope;  // [tokens, kv_heads_rope, rope]  empty: no second part
  View<const float, 3> v;       // [tokens, kv_heads, v]
  /// [tokens] first position of its sequence that a query may see; empty: 0. For isolated
  /// documents.
  View<const i32, 1> first_key;
  i64 seq_len = 0;
  float scale = 1.0f;  // multiplies the logits
  bool bf16 = false;   // products from BF16-rounded operands (q, k, v, p, dout, ds), sums
                       // f32; false: all f32
};

/// Gradients, all OVERWRITTEN, f32. Key and value gradients come per QUERY head: the caller sums
/// the heads that share a key head (sum_heads), in the order of heads.
struct CausalAttentionGrads {
  View<float, 3> dq;       // [tokens, heads, dim]
  View<float, 3> dk;       // [tokens, heads, dim]
  View<float, 3> dq_rope;  // [tokens, heads, rope]
  View<float, 3> dk_rope;  // [tokens, heads, rope]
  View<float, 3> dv;       // [tokens, heads, v]
};

struct CausalAttentionForward {
  static constexpr const char* kName = "causal_attention_forward";
  const CausalAttentionInputs& in;
  View<float, 3> out;
  View<float, 2> lse;
};
struct CausalAttentionBackward {
  static constexpr const char* kName = "causal_attention_backward";
  const CausalAttentionInputs& in;
  View<const float, 3> out;
  View<const float, 2> lse;
  View<const float, 3> dout;
  const CausalAttentionGrads& grads;
};
/// Bytes of the workspace that either pass takes beside its operands.
struct CausalAttentionScratchBytes {
  static constexpr const char* kName = "causal_attention_scratch_bytes";
  using Answer = i64;
  i64 sequences, seq_len, heads;
  i64 qk_dim, v_dim;  // of a query head, rope part included; of a value
  bool bf16;
};

struct SumHeads {
  static constexpr const char* kName = "sum_heads";
  View<const float, 3> x;
  View<float, 3> y;
};

}  // namespace fathom::device
