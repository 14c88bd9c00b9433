#pragma once
#include "ops/ctx.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

/// How a Linear sees its input. Activations are f32 in memory between ops in every mode.
enum class Activations {
  kF32,         // as they are
  kBf16,        // rounded to BF16; with F32 weights they stay f32
  kFp8,         // FP8 weights: quantised per 1x128 tile to E4M3, scale amax/448; others as kBf16
  kFp8PowerOf2  // as kFp8 with scales rounded up to a power of two (UE8M0)
};

/// y[t, o] = sum_i x[t, i] * w[o, i].
/// Source: DeepSeek-V3 §3.3 for the scaled FP8 form: sums of 128 products, then scale, then add,
/// f32.
///   x  [tokens, in]   f32   rows may be strided, last axis contiguous
///   w  [out, in]      f32 | bf16 | fp8_e4m3 with scale [ceil(out/128), ceil(in/128)] f32
///   y  [tokens, out]  f32   overwritten; rows may be strided; must not alias x
/// Accumulates in f32. Each y[t, o] is summed over i in an order that depends on `in`, the dtypes
/// and the ISA alone: bitwise the same for any thread count, number of tokens and position in a
/// batch. Throws InternalError on a shape mismatch. CPU.
void linear_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                    Activations activations);
/// Relative to the largest |y|, for inputs of like size and `in` up to 8192: eps * sqrt(in / lanes)
/// for the partial sums with one lane in the worst case, times a safety of 2; see docs/ops.md.
inline constexpr double kLinearRelTol = 5e-6;

/// y[t, i] = sum_o x[t, o] * w[o, i]: the product with a stored matrix read the other way. Needed
/// by absorbed MLA: q' = W_UK^T q_nope, per head, on row slices of kv_b_proj.
///   x  [tokens, out] f32;  w  [out, in] as above;  y  [tokens, in] f32 overwritten
/// Weights are dequantised to f32, x is rounded as `activations` says (kFp8 counts as kBf16).
void linear_transposed_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                               Activations activations);

}  // namespace fathom::ops
