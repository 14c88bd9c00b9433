#pragma once
#include <cstdint>

namespace fathom::kernels {

/// An operand [rows, heads, dim] with a contiguous last axis.
struct HeadRows {
  const float* data;  // nullptr: no such operand
  int64_t row_stride;
  int64_t head_stride;
};

/// One tile of keys folded into a running softmax; ops/attention/attention.h has the formula.
///
/// Queries are numbered within a group g of heads that share their key heads:
/// query i of group g is token i / heads_per_group, head g * heads_per_group + i % heads_per_group.
/// A unit of work is kAttentionQueries of them: unit u is group u / units_per_group.
struct AttentionTileArgs {
  HeadRows q, k, q_rope, k_rope, v;
  const int64_t* positions;  // [tokens]
  int64_t key_begin;
  float scale;
  float* max;  // [tokens, heads]
  float* sum;  // [tokens, heads]
  float* acc;  // [tokens, heads, v_dim]
  int64_t max_stride, sum_stride, acc_row_stride, acc_head_stride;
  int64_t tokens, keys;
  int64_t groups, heads_per_group;
  int64_t groups_per_kv_head, groups_per_rope_head;
  int64_t dim, rope_dim, v_dim;
  int64_t units_per_group;
};

inline constexpr int64_t kAttentionQueries = 4;
/// Keys are padded to a multiple of this in the scratch rows of scores.
inline constexpr int64_t kAttentionKeyPad = 16;

}  // namespace fathom::kernels
