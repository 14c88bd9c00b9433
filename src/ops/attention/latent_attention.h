#pragma once
// Absorbed MLA over a BF16 cache, read once for all heads and split over cores by position.
#include "device/ctx.h"
#include "device/latent_attention.h"
#include "ops/quantize/quantize.h"
#include "tensor/view.h"

namespace fathom::ops {

/// Can latent_attention_forward run here? It needs BF16 dot products, a BF16 cache, a rank that is
/// a multiple of 32 and an even number of rotated channels.
bool has_latent_attention(const Ctx& ctx, const CacheRowLayout& layout, i64 rank);

/// out[t, h] = sum_s p_s c_s over cached rows s <= positions[t], p = softmax of scale * (q_latent .
/// c_s + q_rope . k_s). Source: DeepSeek-V2 §2.1.2 (absorption); the running softmax of Milakov &
/// Gimelshein 2018 over chunks of 128 positions.
///   q_latent   [tokens, heads, rank] f32, rounded to BF16
///   q_rope     [tokens, heads, rope] f32, rounded to BF16
///   positions  [tokens]
///   cache      rows of `layout` (BF16): [keys, rank + rope], c_s then k_s
///   out        [tokens, heads, rank] f32 overwritten; must not alias the queries
/// Weights p are rounded to BF16 before they are summed and used; sums are f32. A query's result
/// depends on no other query and no thread count. Throws InternalError on a shape mismatch. CPU.
void latent_attention_forward(Ctx& ctx, View<const float, 3> q_latent, View<const float, 3> q_rope,
                              View<const i64, 1> positions, const CacheRowLayout& layout,
                              const u8* cache, i64 keys, float scale, View<float, 3> out);
/// Against the exact attention of the rounded queries and rows, relative to the largest |out|: the
/// weights' rounding.
inline constexpr double kLatentAttentionRelTol = 4e-3;

}  // namespace fathom::ops
