#pragma once
#include <span>

#include "device/ctx.h"
#include "device/linear.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::Activations;
using device::HeadBands;
using device::LinearMode;
using device::LinearOutput;

/// y[t, o] = sum_i x[t, i] * w[o, i].
/// Source: DeepSeek-V3 §3.3 for the scaled FP8 form: sums of 128 products, then scale, then add,
/// f32.
///   x  [tokens, in]   f32   rows may be strided, last axis contiguous
///   w  [out, in]      f32 | bf16 | fp8_e4m3 with scale [ceil(out/128), ceil(in/128)] f32 | int8 or
///                     int4 packed in 32-bit words with BF16 scales [out, ceil(in/group)]
///   y  [tokens, out]  f32   overwritten; rows may be strided; must not alias x
/// Accumulates in f32. Each y[t, o] is summed over i in an order that depends on `in`, the dtypes,
/// the mode and the ISA alone: bitwise the same for any thread count, number of tokens and position
/// in a batch. Throws InternalError on a shape mismatch. CPU.
void linear_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                    LinearMode mode);
/// Relative to the largest |y|, for inputs of like size and `in` up to 8192: eps * sqrt(in / lanes)
/// for the partial sums with one lane in the worst case, times a safety of 2; see docs/ops.md.
inline constexpr double kLinearRelTol = 5e-6;

/// linear_forward for each, in one parallel region; no y may overlap another.
void linears_forward(Ctx& ctx, View<const float, 2> x, std::span<const LinearOutput> outputs,
                     LinearMode mode);

/// y[t, h, o] = sum_i x[t, h, i] * w_h[o, i]: linear_forward for each head with rows of its own, in
/// one parallel region. Absorbed MLA's W_UV.
///   x  [tokens, heads, in] f32 contiguous;  y  [tokens, heads, bands.count] f32 overwritten
void linear_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w, const HeadBands& bands,
                          View<float, 3> y, Activations activations);

/// y[t, i] = sum_o x[t, o] * w[o, i]: the product with a stored matrix read the other way. Needed
/// by absorbed MLA: q' = W_UK^T q_nope, per head, on row slices of kv_b_proj.
///   x  [tokens, out] f32;  w  [out, in] as above;  y  [tokens, in] f32 overwritten
/// Weights are dequantised to f32, x is rounded as `activations` says (kFp8 and kInt8 count as
/// kBf16).
void linear_transposed_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                               Activations activations);

/// y[t, h, i] = sum_o x[t, h, o] * w_h[o, i]: linear_transposed_forward for each head, in one
/// parallel region. Absorbed MLA's W_UK.
///   x  [tokens, heads, bands.count] f32, last axis contiguous;  y  [tokens, heads, in] overwritten
void linear_transposed_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w,
                                     const HeadBands& bands, View<float, 3> y,
                                     Activations activations);

}  // namespace fathom::ops
