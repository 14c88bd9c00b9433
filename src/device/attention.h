#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

/// One tile. Query head h reads key head h * kv_heads / heads; the rope part has its own count.
struct AttentionTile {
  View<const float, 3> q;        // [tokens, heads, dim]
  View<const float, 3> k;        // [keys, kv_heads, dim]
  View<const float, 3> q_rope;   // [tokens, heads, rope]          empty: no second part
  View<const float, 3> k_rope;   // [keys, kv_heads_rope, rope]    empty: no second part
  View<const float, 3> v;        // [keys, kv_heads, v]
  View<const i64, 1> positions;  // [tokens] absolute position of each query
  i64 key_begin = 0;             // absolute position of key 0; keys above a query's are masked
  float scale = 1.0f;            // multiplies the logits
};

/// The running softmax of Milakov & Gimelshein 2018 (flash attention's recurrence).
struct AttentionState {
  View<float, 2> max;  // [tokens, heads]     largest logit so far; -inf at the start
  View<float, 2> sum;  // [tokens, heads]     sum of exp(logit - max)
  View<float, 3> acc;  // [tokens, heads, v]  sum of exp(logit - max) * value
};

struct AttentionBegin {
  static constexpr const char* kName = "attention_begin";
  AttentionState state;
};
struct AttentionTileForward {
  static constexpr const char* kName = "attention_tile_forward";
  AttentionTile tile;
  AttentionState state;
};
struct AttentionEnd {
  static constexpr const char* kName = "attention_end";
  AttentionState state;
  View<float, 3> out;
};

}  // namespace fathom::device
