#include "plan/machine/kernel_time.h"

#include <algorithm>

#include "base/checked_math.h"

namespace fathom::plan {
namespace {

constexpr i64 kTile = 128;
/// Of an SM: FP32 multiply-adds and bytes of shared memory in a cycle; rows of one warpgroup's
/// product. NVIDIA's Hopper tuning guide and PTX's wgmma.
constexpr double kFmaLanes = 128.0, kSharedBytes = 128.0;
constexpr i64 kWarpgroupRows = 64;

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

struct Tiling {
  i64 rows = 0, columns = 0;  // of a tile
  i64 tiles = 0, waves = 0;
};

/// DeepGEMM's own choice (get_best_configs in its first commit, a6d97a1, of which its README's
/// table is): 64 rows where there are no more, else 128; of 16 to 128 columns in steps of 8 the
/// fewest waves, then the fullest last wave, then the widest tile.
Tiling choose_tiling(const GemmShape& shape, i64 sms) {
  const i64 rows = shape.m <= kTile / 2 ? kTile / 2 : kTile;
  Tiling best;
  i64 best_last = 0;
  for (i64 columns = 16; columns <= kTile; columns += 8) {
    const i64 tiles = shape.count * ceil_div(shape.m, rows) * ceil_div(shape.n, columns);
    const i64 waves = ceil_div(tiles, sms), last = tiles - (waves - 1) * sms;
    const bool better =
        best.tiles == 0 || waves < best.waves || (waves == best.waves && last >= best_last);
    if (!better) continue;
    best = {.rows = rows, .columns = columns, .tiles = tiles, .waves = waves};
    best_last = last;
  }
  return best;
}

/// Of a tile's step of 128 along K: the tensor cores or the shared memory that feeds them (each
/// warpgroup of 64 rows reads the columns for itself), the promotion of FP8 sums, and what does not
/// shrink with the tile: what block_us has beyond these two at 128 x 128, waits and latencies.
Seconds step_time(const Cluster& cluster, const Tiling& tiling, Precision precision) {
  const bool fp8 = precision == Precision::kFp8;
  const double peak = (fp8 ? cluster.gpu.fp8_tflops : cluster.gpu.bf16_tflops) * 1e12;
  const double cycle = 1e-9 / cluster.gpu.clock_ghz;
  const double area = static_cast<double>(tiling.rows * tiling.columns);
  const auto sums = [&](double tile) {
    return Seconds(fp8 && cluster.gemm.promotion ? tile / kFmaLanes * cycle : 0.0);
  };
  const auto products = [&](double tile) {
    return Seconds(2.0 * tile * kTile * static_cast<double>(cluster.gpu.sms) / peak);
  };
  const double reads =
      static_cast<double>(tiling.rows + tiling.columns * ceil_div(tiling.rows, kWarpgroupRows));
  const Seconds shared(reads * kTile * operand_bytes(precision) / kSharedBytes * cycle);
  constexpr double kWhole = kTile * kTile;
  const Seconds block = block_time(cluster.gemm, Product::kForward, precision);
  const Seconds waits = larger(Seconds(), block - products(kWhole) - sums(kWhole));
  return larger(products(area), shared) + sums(area) + waits;
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
  const Precision used = cluster.has_fp8() ? precision : Precision::kBf16;
  const Tiling tiling = choose_tiling(shape, sms);
  if (tiling.tiles == 0) return {};  // a dense model's experts
  // DeepGEMM does not cut K. That a library of BF16 products does, where there are fewer tiles than
  // SMs, and up to 8 times, is assumed.
  const i64 cuts = used == Precision::kBf16 ? std::clamp<i64>(sms / tiling.tiles, 1, 8) : 1;
  GemmTime time{.waves = tiling.waves, .blocks = ceil_div(ceil_div(shape.k, kTile), cuts)};
  const Seconds fixed = microseconds(cluster.gemm.fixed_us);
  const Seconds steps =
      step_time(cluster, tiling, used) * (static_cast<double>(time.blocks) * cluster.scale.gemm);
  const Seconds read =
      gemm_bytes(shape, Product::kForward, used) / (cluster.memory_rate() * cluster.gemm.read_frac);
  const auto wave = [&](i64 tiles) {
    const double part = static_cast<double>(tiles) / static_cast<double>(tiling.tiles);
    return fixed * cluster.scale.gemm + larger(steps, read * part);
  };
  const auto whole = static_cast<double>(tiling.waves - 1);
  time.arithmetic = (fixed * cluster.scale.gemm + steps) * static_cast<double>(tiling.waves);
  time.memory = read;
  time.total = wave(sms) * whole + wave(tiling.tiles - (tiling.waves - 1) * sms);
  return time;
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
