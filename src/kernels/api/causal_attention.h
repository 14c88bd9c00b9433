#pragma once
#include <cstdint>

#include "kernels/api/attention.h"

namespace fathom::kernels {

/// A result [rows, heads, dim] with a contiguous last axis.
struct HeadRowsOut {
  float* data;  // nullptr: no such result
  int64_t row_stride;
  int64_t head_stride;
};

/// Attention over whole sequences; ops/causal_attention/causal_attention.h has the formulas.
///
/// A unit of work is one query head of one sequence: unit u is sequence u / heads, head u % heads.
/// Units share nothing, so a result does not depend on which thread runs which.
struct CausalAttentionArgs {
  HeadRows q, k, q_rope, k_rope, v;
  const int32_t* first_key;  // [sequences * seq_len]; nullptr: 0
  int64_t sequences, seq_len;
  int64_t heads, kv_heads, rope_heads;
  int64_t dim, rope_dim, v_dim;
  float scale;
  bool bf16;
};

struct CausalAttentionForwardArgs {
  CausalAttentionArgs in;
  HeadRowsOut out;
  float* lse;  // [tokens, heads]
  int64_t lse_stride;
};

struct CausalAttentionBackwardArgs {
  CausalAttentionArgs in;
  HeadRows out, dout;
  const float* lse;  // [tokens, heads]
  int64_t lse_stride;
  HeadRowsOut dq, dk, dq_rope, dk_rope, dv;
};

/// y[row, g] = sum of x[row, h] over the heads h of group g.
struct SumHeadsArgs {
  HeadRows x;
  HeadRowsOut y;
  int64_t heads, groups, dim;
};

}  // namespace fathom::kernels
