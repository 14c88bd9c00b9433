#pragma once
// How long one kernel takes on a machine.
#include "plan/machine/cluster.h"

namespace fathom::plan {

enum class Precision { kBf16, kFp8 };

/// Bytes of one number as an operand of a product.
constexpr double operand_bytes(Precision precision) {
  return precision == Precision::kFp8 ? 1.0 : 2.0;
}

/// `count` products [m, k] x [k, n] in one launch; of a weight gradient m and n are the weight's
/// sides and k the tokens.
struct GemmShape {
  i64 m = 0;
  i64 n = 0;
  i64 k = 0;
  i64 count = 1;
};

enum class Product { kForward, kWeightGradient };  // kForward: fprop and dgrad

struct GemmTime {
  i64 waves = 0;
  i64 blocks = 0;      // ceil(k / 128)
  Seconds arithmetic;  // waves * (fixed + block * blocks)
  Seconds memory;      // operands and result over the memory bandwidth
  Seconds total;       // the larger, times the what-if factor
};

/// tiles = count * ceil(m/128) * ceil(n/128), waves = ceil(tiles / sms). Source: plan P2, fitted to
/// the kernels of DeepSeek's published trace; compare the row "GEMMs of the trace".
GemmTime gemm_time(const Cluster& cluster, const GemmShape& shape, Product product,
                   Precision precision, i64 sms);

/// A product of few rows, as in decoding, in the tiles that DeepGEMM chooses (64 or 128 rows, 16 to
/// 128 columns): waves * fixed + the sum over waves of the longer of a tile's steps along K and the
/// wave's share of the bytes at read_frac of the memory bandwidth. A narrow tile's step does not
/// shrink with its area: latencies, promotion and shared memory stay.
GemmTime few_rows_gemm_time(const Cluster& cluster, const GemmShape& shape, Precision precision,
                            i64 sms);

/// FLOPs of the shape: 2 m n k count.
Flops gemm_flops(const GemmShape& shape);

/// Causal attention over `tokens` rows of sequences of `seq_len`, forward: 2 heads (qk + v) a pair
/// of row and key, (seq_len + 1) / 2 keys a row. The backward pass has five products: 3 qk + 2 v.
struct AttentionShape {
  double tokens = 0;
  i64 seq_len = 0;
  i64 heads = 0;
  i64 qk_dim = 0;
  i64 v_dim = 0;
};
Flops attention_forward_flops(const AttentionShape& shape);
Flops attention_backward_flops(const AttentionShape& shape);

Seconds attention_forward_time(const Cluster& cluster, const AttentionShape& shape, i64 sms);
Seconds attention_backward_time(const Cluster& cluster, const AttentionShape& shape, i64 sms);

/// bytes / (share * memory bandwidth), at least a launch.
Seconds memory_time(const Cluster& cluster, Bytes bytes, double share);

}  // namespace fathom::plan
