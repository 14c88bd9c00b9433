#include "plan/machine/kernel_time.h"

#include "base/checked_math.h"

namespace fathom::plan {
namespace {

constexpr i64 kTile = 128;

Seconds block_time(const GemmSection& gemm, Product product, Precision precision) {
  const bool fp8 = precision == Precision::kFp8;
  if (product == Product::kForward)
    return microseconds(fp8 ? gemm.fp8_block_us : gemm.bf16_block_us);
  return microseconds(fp8 ? gemm.fp8_wgrad_block_us : gemm.bf16_wgrad_block_us);
}

/// Operands once, the result once; a weight gradient is read and written in f32.
Bytes gemm_bytes(const GemmShape& s, Product product, Precision precision) {
  const auto m = static_cast<double>(s.m), n = static_cast<double>(s.n),
             k = static_cast<double>(s.k);
  const double result = product == Product::kForward ? 2.0 : 8.0;
  return Bytes(static_cast<double>(s.count) *
               ((m + n) * k * operand_bytes(precision) + m * n * result));
}

}  // namespace

GemmTime gemm_time(const Cluster& cluster, const GemmShape& shape, Product product,
                   Precision precision, i64 sms) {
  const Precision used = cluster.has_fp8() ? precision : Precision::kBf16;
  GemmTime time;
  const i64 tiles = shape.count * ceil_div(shape.m, kTile) * ceil_div(shape.n, kTile);
  time.waves = ceil_div(tiles, sms);
  time.blocks = ceil_div(shape.k, kTile);
  const Seconds wave = microseconds(cluster.gemm.fixed_us) +
                       block_time(cluster.gemm, product, used) * static_cast<double>(time.blocks);
  const bool forward = product == Product::kForward;
  const double factor = forward ? cluster.scale.gemm : cluster.scale.wgrad;
  time.arithmetic = wave * static_cast<double>(time.waves) * factor;
  time.memory = gemm_bytes(shape, product, used) / cluster.memory_rate();
  time.total = larger(time.arithmetic, time.memory);
  return time;
}

GemmTime few_rows_gemm_time(const Cluster& cluster, const GemmShape& shape, Precision precision,
                            i64 sms) {
  GemmTime best = gemm_time(cluster, shape, Product::kForward, precision, sms);
  const Precision used = cluster.has_fp8() ? precision : Precision::kBf16;
  best.memory = best.memory / cluster.gemm.read_frac;
  for (i64 rows = kTile; rows >= kTile / 8; rows /= 2) {
    for (i64 columns = kTile; columns >= kTile / 8; columns /= 2) {
      const i64 tiles = shape.count * ceil_div(shape.m, rows) * ceil_div(shape.n, columns);
      const i64 waves = ceil_div(tiles, sms);
      const double part = static_cast<double>(rows * columns) / static_cast<double>(kTile * kTile);
      const Seconds wave =
          microseconds(cluster.gemm.fixed_us) + block_time(cluster.gemm, Product::kForward, used) *
                                                    (part * static_cast<double>(best.blocks));
      const Seconds time = wave * (static_cast<double>(waves) * cluster.scale.gemm);
      if (time >= best.arithmetic) continue;
      best.arithmetic = time;
      best.waves = waves;
    }
  }
  best.total = larger(best.arithmetic, best.memory);
  return best;
}

Flops gemm_flops(const GemmShape& shape) {
  return Flops(2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
               static_cast<double>(shape.k) * static_cast<double>(shape.count));
}

Flops attention_forward_flops(const AttentionShape& s) {
  const double keys = (static_cast<double>(s.seq_len) + 1.0) / 2.0;
  return Flops(2.0 * s.tokens * keys * static_cast<double>(s.heads * (s.qk_dim + s.v_dim)));
}

Flops attention_backward_flops(const AttentionShape& s) {
  const double keys = (static_cast<double>(s.seq_len) + 1.0) / 2.0;
  return Flops(2.0 * s.tokens * keys * static_cast<double>(s.heads * (3 * s.qk_dim + 2 * s.v_dim)));
}

Seconds attention_forward_time(const Cluster& cluster, const AttentionShape& shape, i64 sms) {
  const FlopsPerSecond rate(cluster.attention.forward_tflops_per_sm * 1e12 *
                            static_cast<double>(sms));
  return attention_forward_flops(shape) / rate * cluster.scale.attention;
}

Seconds attention_backward_time(const Cluster& cluster, const AttentionShape& shape, i64 sms) {
  const FlopsPerSecond rate(cluster.attention.backward_tflops_per_sm * 1e12 *
                            static_cast<double>(sms));
  return attention_backward_flops(shape) / rate * cluster.scale.attention;
}

Seconds memory_time(const Cluster& cluster, Bytes bytes, double share) {
  return larger(bytes / (cluster.memory_rate() * share), microseconds(cluster.gpu.launch_us));
}

}  // namespace fathom::plan
