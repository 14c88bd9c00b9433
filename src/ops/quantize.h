#pragma once
// Between f32 and the stored forms: whole matrices, and rows of a KV cache.
#include "base/dtype.h"
#include "ops/ctx.h"
#include "tensor/fp8.h"
#include "tensor/mat_ref.h"
#include "tensor/view.h"

namespace fathom::ops {

enum class ScaleFormat { kF32, kUe8m0 };

/// q = round_e4m3(x / s) with one scale a 128x128 block, s = max(amax, 1e-4) / 448, rounded up to a
/// power of two for kUe8m0. Source: DeepSeek-V3 §3.3.2; the released checkpoints' layout.
///   x      [rows, cols]                          f32
///   q      [rows, cols]                          fp8_e4m3   overwritten
///   scale  [ceil(rows/128), ceil(cols/128)]      f32        overwritten; w = q * scale
void quantize_blocks(Ctx& ctx, View<const float, 2> x, ScaleFormat format, View<Fp8E4M3, 2> q,
                     View<float, 2> scale);

/// out = w in f32, [rows, cols], overwritten. Any stored dtype of MatRef.
void dequantize(Ctx& ctx, const MatRef& w, View<float, 2> out);

/// How one row of a cache is stored. The first `fp8_cols` numbers of a kFp8 row are E4M3 with one
/// f32 scale a 128 of them, the rest BF16: 512 + 4*4 + 64*2 = 656 bytes for V3's latent (FlashMLA's
/// size).
enum class CacheDType { kF32, kBf16, kFp8 };
struct CacheRowLayout {
  CacheDType dtype = CacheDType::kBf16;
  i64 cols = 0;      // numbers in a row
  i64 fp8_cols = 0;  // kFp8 only: how many of them are quantised
  i64 row_bytes() const;
};

/// Encodes x [rows, cols] f32 into rows [first_row, first_row + rows) of `cache`.
void cache_store_rows(Ctx& ctx, View<const float, 2> x, const CacheRowLayout& layout, u8* cache,
                      i64 first_row);
/// Decodes rows [first_row, first_row + out.dim(0)) into out [rows, cols] f32, overwritten.
void cache_load_rows(Ctx& ctx, const CacheRowLayout& layout, const u8* cache, i64 first_row,
                     View<float, 2> out);

}  // namespace fathom::ops
