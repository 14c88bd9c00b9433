#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

/// The queries of one sequence and their running softmax, between its tiles of keys.
struct PrefillAttention {
  View<const float, 3> q;       // [tokens, heads, dim]
  View<const float, 3> q_rope;  // [tokens, heads, rope_dim], or empty
  i64 first_position = 0;       // of token 0
  float scale = 1.0f;
  i64 v_dim = 0;
  i64 max_keys = 0;  // of a tile

  // The device's own: packed queries, and the softmax of each unit of them.
  View<u16, 2> panels;
  View<float, 2> max, sum, acc;

  i64 tokens() const { return q.dim(0); }
  i64 heads() const { return q.dim(1); }
  i64 dim() const { return q.dim(2); }
  i64 rope_dim() const { return q_rope.empty() ? 0 : q_rope.dim(2); }
};

/// Does prefill attention take such heads here?
struct TakesPrefillHeads {
  static constexpr const char* kName = "takes_prefill_heads";
  using Answer = bool;
  i64 dim, rope_dim;
};

struct PrefillAttentionBegin {
  static constexpr const char* kName = "prefill_attention_begin";
  Workspace::Scope& scope;  // what the state's memory comes from
  PrefillAttention& attention;
};
struct PrefillAttentionTile {
  static constexpr const char* kName = "prefill_attention_tile";
  const PrefillAttention& attention;
  View<const float, 3> k, k_rope, v;
  i64 key_begin;
};
struct PrefillAttentionEnd {
  static constexpr const char* kName = "prefill_attention_end";
  const PrefillAttention& attention;
  View<float, 3> out;
};

}  // namespace fathom::device
