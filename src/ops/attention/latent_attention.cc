#include "ops/attention/latent_attention.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
bool has_latent_attention(const Ctx& ctx, const CacheRowLayout& layout, i64 rank) {
  return device::has<device::LatentAttentionForward>(ctx) &&
         ask(ctx, device::TakesLatentCache{.layout = layout, .rank = rank});
}

void latent_attention_forward(Ctx& ctx, View<const float, 3> q_latent, View<const float, 3> q_rope,
                              View<const i64, 1> positions, const LatentRows& rows, float scale,
                              View<float, 3> out) {
  const i64 tokens = q_latent.dim(0), heads = q_latent.dim(1), rank = q_latent.dim(2);
  const i64 width = rank + q_rope.dim(2);
  device::require<device::LatentAttentionForward>(ctx);
  FATHOM_CHECK(has_latent_attention(ctx, rows.layout, rank) && rows.layout.cols == width,
               "rows of ", rows.layout.cols, " numbers vs q_latent ", q_latent, " and q_rope ",
               q_rope);
  FATHOM_CHECK(q_rope.dim(0) == tokens && q_rope.dim(1) == heads && positions.dim(0) == tokens &&
                   rows.pages.dim(0) == tokens && out.dims() == q_latent.dims(),
               "q_rope ", q_rope, ", positions ", positions, ", ", rows.pages.dim(0),
               " lists of pages and out ", out, " vs q_latent ", q_latent);
  FATHOM_CHECK(last_axis_contiguous(q_latent) && last_axis_contiguous(q_rope) &&
                   last_axis_contiguous(out) && last_axis_contiguous(positions),
               "the last axes of q_latent ", q_latent, ", q_rope ", q_rope, " and out ", out,
               " must be contiguous");
  for (i64 t = 0; t < tokens; ++t) {
    FATHOM_CHECK(positions(t) >= 0, "position ", positions(t));
  }
  run(ctx, device::LatentAttentionForward{.q_latent = q_latent,
                                          .q_rope = q_rope,
                                          .positions = positions,
                                          .layout = rows.layout,
                                          .pages = rows.pages,
                                          .offset_bytes = rows.offset_bytes,
                                          .scale = scale,
                                          .out = out});
}

}  // namespace fathom::ops
