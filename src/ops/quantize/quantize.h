#pragma once
// Between f32 and the stored forms: whole matrices, and rows of a KV cache.
#include "device/ctx.h"
#include "device/paged_rows.h"
#include "device/quantize.h"
#include "tensor/fp8.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

using device::CacheDType;
using device::CacheRowLayout;
using device::PagedRows;
using device::ScaleFormat;

/// q = round_e4m3(x / s) with one scale a 128x128 block, s = max(amax, 1e-4) / 448, rounded up to a
/// power of two for kUe8m0. Source: DeepSeek-V3 §3.3.2; the released checkpoints' layout.
///   x      [rows, cols]                          f32
///   q      [rows, cols]                          fp8_e4m3   overwritten
///   scale  [ceil(rows/128), ceil(cols/128)]      f32        overwritten; w = q * scale
void quantize_blocks(Ctx& ctx, View<const float, 2> x, ScaleFormat format, View<Fp8E4M3, 2> q,
                     View<float, 2> scale);

/// out = w in f32, [rows, cols], overwritten. Any stored dtype of MatRef.
void dequantize(Ctx& ctx, const MatRef& w, View<float, 2> out);

/// Encodes x [rows, cols] f32 into rows [first_row, first_row + rows) of a cache.
void cache_store_rows(Ctx& ctx, View<const float, 2> x, const PagedRows& rows, i64 first_row);
/// Decodes rows [first_row, first_row + out.dim(0)) into out [rows, cols] f32, overwritten.
void cache_load_rows(Ctx& ctx, const PagedRows& rows, i64 first_row, View<float, 2> out);

}  // namespace fathom::ops
