#pragma once
// Absorbed MLA over a BF16 cache, read once for all heads and split over cores by position.
#include "device/ctx.h"
#include "device/latent_attention.h"
#include "ops/quantize/quantize.h"
#include "tensor/view.h"

namespace fathom::ops {

/// One layer's rows for each query of a batch: those of query t lie as PagedRows{layout, pages[t],
/// offset_bytes} says.
struct LatentRows {
  CacheRowLayout layout;
  View<u8* const* const, 1> pages;  // [tokens]
  i64 offset_bytes = 0;
};

/// Can latent_attention_forward run here? It needs BF16 dot products, a BF16 cache, a rank that is
/// a multiple of 32 and an even number of rotated channels.
bool has_latent_attention(const Ctx& ctx, const CacheRowLayout& layout, i64 rank);

/// Queries of any number of sequences at once. out[t, h] = sum_s p_s c_s over the cached rows s <=
/// positions[t] of the query's sequence, p = softmax of scale * (q_latent .
/// c_s + q_rope . k_s). Source: DeepSeek-V2 §2.1.2 (absorption); the running softmax of Milakov &
/// Gimelshein 2018 over chunks of 128 positions.
///   q_latent   [tokens, heads, rank] f32, rounded to BF16
///   q_rope     [tokens, heads, rope] f32, rounded to BF16
///   positions  [tokens]
///   rows       of each query's sequence, in pages: `layout` (BF16) [rank + rope], c_s then k_s
///   out        [tokens, heads, rank] f32 overwritten; must not alias the queries
/// Weights p are rounded to BF16 before they are summed and used; sums are f32. A query's result
/// depends on no other query and no thread count. Throws InternalError on a shape mismatch. CPU.
void latent_attention_forward(Ctx& ctx, View<const float, 3> q_latent, View<const float, 3> q_rope,
                              View<const i64, 1> positions, const LatentRows& rows, float scale,
                              View<float, 3> out);
/// Against the exact attention of the rounded queries and rows, relative to the largest |out|: the
/// weights' rounding.
inline constexpr double kLatentAttentionRelTol = 4e-3;

}  // namespace fathom::ops
