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

static_assert(device::kPageTokens == kernels::kLatentChunkKeys, "a chunk is a page");

/// Chunks of positions worked on before they are folded, and the memory of what they leave: bounds
/// the scratch, whatever the context and the batch.
constexpr i64 kChunksAtOnce = 64;
constexpr i64 kPartialFloats = i64{8} << 20;

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
      .pages = op.pages.data(),
      .page_offset = op.offset_bytes,
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
      .first_chunk = 0,
      .chunks = 0,
      .items = nullptr,
      .panels = scope.alloc<u16>(units, (rank + rope) * kLatentHeads).data(),
      .partials =
          scope.alloc<float>(chunks_at_once, units, kernels::latent_partial_floats(rank)).data(),
      .state = scope.alloc<float>(tokens * heads, 2).data(),
      .out = op.out.data(),
      .out_row = op.out.stride(0),
      .out_head = op.out.stride(1)};
}

/// The items of the chunks at hand, chunk after chunk: neighbours share their rows if they are of
/// one sequence. Returns how many.
i64 list_items(const LatentAttentionArgs& args, View<i32, 1> items) {
  i64 count = 0;
  for (i64 chunk = 0; chunk < args.chunks; ++chunk) {
    const i64 first_key = (args.first_chunk + chunk) * kernels::kLatentChunkKeys;
    for (i64 token = 0; token < args.tokens; ++token) {
      if (args.positions[token] < first_key) continue;
      items(count++) = static_cast<i32>(chunk * args.tokens + token);
    }
  }
  return count;
}

/// Threads share out queries and chunks of their positions, since one token has few heads.
void latent_attention_forward(Ctx& ctx, const device::LatentAttentionForward& op) {
  Workspace::Scope scope(ctx.workspace());
  i64 last_position = 0;
  for (i64 t = 0; t < op.positions.dim(0); ++t) {
    last_position = std::max(last_position, op.positions(t));
  }
  const i64 all_chunks = last_position / kernels::kLatentChunkKeys + 1, threads = num_threads();
  const i64 tokens = op.q_latent.dim(0), rank = op.q_latent.dim(2);
  const i64 chunk_floats =
      tokens * ceil_div(op.q_latent.dim(1), kLatentHeads) * kernels::latent_partial_floats(rank);
  const i64 at_once =
      std::clamp<i64>(kPartialFloats / chunk_floats, 1, std::min(all_chunks, kChunksAtOnce));
  const auto scratch = scope.alloc<u8>(threads, kernels::kLatentScratchBytes);
  const auto items = scope.alloc<i32>(at_once * tokens);
  LatentAttentionArgs args = args_of(scope, op, at_once);
  args.items = items.data();
  const kernels::cpu::LatentAttentionTable& kernel = *ctx.isa().latent_attention;
  for_rows(args.tokens * args.blocks, (args.rank + args.rope) * kLatentHeads / 4,
           [&](i64 begin, i64 end) { kernel.pack_latent_queries(args, begin, end); });
  for (; args.first_chunk < all_chunks; args.first_chunk += args.chunks) {
    args.chunks = std::min(at_once, all_chunks - args.first_chunk);
    const i64 count = list_items(args, items), parts = std::min(count, threads);
    parallel_for(parts, 1, [&](i64 begin, i64 end) {
      for (i64 part = begin; part < end; ++part) {
        kernel.latent_attention_items(args, count * part / parts, count * (part + 1) / parts,
                                      scratch.row(part));
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
