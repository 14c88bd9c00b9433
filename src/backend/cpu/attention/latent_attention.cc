#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "base/checked_math.h"
#include "kernels/cpu/attention/latent_attention_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

using kernels::kLatentHeads;
using kernels::LatentAttentionArgs;

/// Chunks of positions worked on before they are folded: bounds the scratch, whatever the context.
constexpr i64 kChunksAtOnce = 64;

bool takes_latent_cache(const Ctx& ctx, const device::TakesLatentCache& op) {
  return ctx.isa().latent_attention != nullptr && op.layout.dtype == device::CacheDType::kBf16 &&
         op.rank % 32 == 0 && (op.layout.cols - op.rank) % 2 == 0;
}

LatentAttentionArgs args_of(Workspace::Scope& scope, const device::LatentAttentionForward& op,
                            i64 chunks_at_once) {
  const i64 tokens = op.q_latent.dim(0), heads = op.q_latent.dim(1), rank = op.q_latent.dim(2);
  const i64 rope = op.q_rope.dim(2);
  const i64 blocks = ceil_div(heads, kLatentHeads), units = tokens * blocks;
  return {
      .cache = reinterpret_cast<const u16*>(op.cache),
      .rank = rank,
      .rope = rope,
      .q_latent = op.q_latent.data(),
      .q_latent_row = op.q_latent.stride(0),
      .q_latent_head = op.q_latent.stride(1),
      .q_rope = op.q_rope.data(),
      .q_rope_row = op.q_rope.stride(0),
      .q_rope_head = op.q_rope.stride(1),
      .positions = op.positions.data(),
      .tokens = tokens,
      .heads = heads,
      .blocks = blocks,
      .scale = op.scale,
      .keys = op.keys,
      .first_chunk = 0,
      .chunks = 0,
      .panels = scope.alloc<u16>(units, (rank + rope) * kLatentHeads).data(),
      .partials =
          scope.alloc<float>(chunks_at_once, units, kernels::latent_partial_floats(rank)).data(),
      .state = scope.alloc<float>(tokens * heads, 2).data(),
      .out = op.out.data(),
      .out_row = op.out.stride(0),
      .out_head = op.out.stride(1)};
}

/// Threads share out chunks of positions, since one token has few heads.
void latent_attention_forward(Ctx& ctx, const device::LatentAttentionForward& op) {
  Workspace::Scope scope(ctx.workspace());
  const i64 all_chunks = ceil_div(op.keys, kernels::kLatentChunkKeys);
  const i64 at_once = std::min(all_chunks, kChunksAtOnce), threads = num_threads();
  const auto scratch = scope.alloc<u8>(threads, kernels::kLatentScratchBytes);
  LatentAttentionArgs args = args_of(scope, op, at_once);
  const kernels::cpu::LatentAttentionTable& kernel = *ctx.isa().latent_attention;
  for_rows(args.tokens * args.blocks, (args.rank + args.rope) * kLatentHeads / 4,
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
    for_rows(args.tokens * args.heads, args.chunks * args.rank / 8,
             [&](i64 begin, i64 end) { kernel.latent_attention_fold(args, begin, end); });
  }
}

}  // namespace

void set_latent_attention(device::OpTable& table) {
  table.set(takes_latent_cache);
  table.set(latent_attention_forward);
}

}  // namespace fathom::backend::cpu
