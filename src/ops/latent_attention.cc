#include "ops/latent_attention.h"

#include <algorithm>

#include "base/checked_math.h"
#include "kernels/cpu/attention/latent_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

/// Chunks worked on before they are folded: bounds the scratch, whatever the context.
constexpr i64 kChunksAtOnce = 64;

}  // namespace

bool has_latent_attention(const Ctx& ctx, const CacheRowLayout& layout, i64 rank) {
  return ctx.isa().latent_attention != nullptr && layout.dtype == CacheDType::kBf16 &&
         rank % 32 == 0 && (layout.cols - rank) % 2 == 0;
}

void latent_attention_forward(Ctx& ctx, View<const float, 3> q_latent, View<const float, 3> q_rope,
                              View<const i64, 1> positions, const CacheRowLayout& layout,
                              const u8* cache, i64 keys, float scale, View<float, 3> out) {
  require_cpu(ctx, "latent_attention_forward");
  const i64 tokens = q_latent.dim(0), heads = q_latent.dim(1), rank = q_latent.dim(2);
  const i64 width = rank + q_rope.dim(2);
  FATHOM_CHECK(has_latent_attention(ctx, layout, rank) && layout.cols == width, "rows of ",
               layout.cols, " numbers vs q_latent ", q_latent, " and q_rope ", q_rope);
  FATHOM_CHECK(q_rope.dim(0) == tokens && q_rope.dim(1) == heads && positions.dim(0) == tokens &&
                   out.dims() == q_latent.dims(),
               "q_rope ", q_rope, ", positions ", positions, " and out ", out, " vs q_latent ",
               q_latent);
  FATHOM_CHECK(last_axis_contiguous(q_latent) && last_axis_contiguous(q_rope) &&
                   last_axis_contiguous(out) && last_axis_contiguous(positions),
               "the last axes of q_latent ", q_latent, ", q_rope ", q_rope, " and out ", out,
               " must be contiguous");
  for (i64 t = 0; t < tokens; ++t) {
    FATHOM_CHECK(positions(t) >= 0 && positions(t) < keys, "position ", positions(t), " of ", keys,
                 " keys");
  }

  Workspace::Scope scope(ctx.workspace());
  const i64 blocks = ceil_div(heads, kernels::kLatentHeads), units = tokens * blocks;
  const i64 all_chunks = ceil_div(keys, kernels::kLatentChunkKeys);
  const i64 at_once = std::min(all_chunks, kChunksAtOnce), threads = num_threads();
  const auto scratch = scope.alloc<u8>(threads, kernels::kLatentScratchBytes);
  kernels::LatentAttentionArgs args{
      .cache = reinterpret_cast<const u16*>(cache),
      .rank = rank,
      .rope = width - rank,
      .q_latent = q_latent.data(),
      .q_latent_row = q_latent.stride(0),
      .q_latent_head = q_latent.stride(1),
      .q_rope = q_rope.data(),
      .q_rope_row = q_rope.stride(0),
      .q_rope_head = q_rope.stride(1),
      .positions = positions.data(),
      .tokens = tokens,
      .heads = heads,
      .blocks = blocks,
      .scale = scale,
      .keys = keys,
      .first_chunk = 0,
      .chunks = 0,
      .panels = scope.alloc<u16>(units, width * kernels::kLatentHeads).data(),
      .partials = scope.alloc<float>(at_once, units, kernels::latent_partial_floats(rank)).data(),
      .state = scope.alloc<float>(tokens * heads, 2).data(),
      .out = out.data(),
      .out_row = out.stride(0),
      .out_head = out.stride(1)};
  const kernels::cpu::LatentAttentionTable& kernel = *ctx.isa().latent_attention;
  ctx.for_rows(units, width * kernels::kLatentHeads / 4,
               [&](i64 begin, i64 end) { kernel.pack_latent_queries(args, begin, end); });
  for (; args.first_chunk < all_chunks; args.first_chunk += args.chunks) {
    args.chunks = std::min(at_once, all_chunks - args.first_chunk);
    const i64 parts = std::min(args.chunks, threads);
    parallel_for(parts, 1, [&](i64 begin, i64 end) {
      for (i64 part = begin; part < end; ++part) {
        kernel.latent_attention_chunks(args, args.chunks * part / parts,
                                       args.chunks * (part + 1) / parts, scratch.row(part));
      }
    });
    ctx.for_rows(tokens * heads, args.chunks * rank / 8,
                 [&](i64 begin, i64 end) { kernel.latent_attention_fold(args, begin, end); });
  }
}

}  // namespace fathom::ops
