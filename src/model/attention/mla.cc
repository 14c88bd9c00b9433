#include "model/attention/mla.h"

#include <array>

#include "model/attention/key_tiles.h"
#include "ops/attention/latent_attention.h"
#include "ops/attention/prefill_attention.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model {
namespace {

/// One sequence's part of the attention: its queries and where its answer goes.
struct MlaSequence {
  const BatchSequence& sequence;
  ops::PagedRows cache;
  View<const i64, 1> positions;  // [tokens]
  View<const float, 3> q;        // [tokens, heads, nope+rope]; rope part rotated
  View<float, 3> out;            // [tokens, heads, v]  overwritten
};

/// The products with h itself, in one parallel region: the query latent (or q, without compression)
/// and the new latents with the shared key. Eqs (1), (3), (6).
///   q_or_latent  [tokens, q_lora_rank], or [tokens, heads*(nope+rope)]  overwritten
///   kv_a         [tokens, rank+rope]                                    overwritten
void mla_down_projections(const StepContext& step, const MlaWeights& w, View<const float, 2> h,
                          View<float, 2> q_or_latent, View<float, 2> kv_a) {
  const MatRef& query = w.q_a_proj.empty() ? w.q_proj : w.q_a_proj;
  const std::array<ops::LinearOutput, 2> outputs = {
      {{query, q_or_latent}, {w.kv_a_proj_with_mqa, kv_a}}};
  ops::linears_forward(step.ctx, h, outputs, step.linear_mode());
}

/// The latents c^KV and the shared rotated key k^R of the new tokens, from their projection into
/// the caches. Eqs (1)-(3).
void mla_store_latents(const StepContext& step, const MlaWeights& w, i64 layer,
                       View<float, 2> kv_a) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const auto latent = kv_a.slice(/*axis=*/1, 0, d.rank);
  ops::rmsnorm_forward(ctx, latent, w.kv_a_layernorm, kLatentNormEps, latent);
  ops::rope_forward_inplace(ctx, step.rope, step.positions,
                            as_heads(kv_a.slice(/*axis=*/1, d.rank, d.rope), 1));
  for (const BatchSequence& sequence : step.sequences) {
    ops::cache_store_rows(ctx, kv_a.slice(0, sequence.row_begin, sequence.tokens),
                          sequence.cache->rows(layer), sequence.position_begin);
  }
}

/// q = W^UQ RMSNorm(W^DQ h), or W^Q h; rope part rotated. Eqs (6)-(9). Stores the new latents on
/// the way.
///   q  [tokens, heads, nope+rope]  overwritten
void mla_queries_and_latents(const StepContext& step, const MlaWeights& w, i64 layer,
                             View<const float, 2> h, View<float, 3> q) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  Workspace::Scope scratch(ctx.workspace());
  const auto kv_a = scratch.alloc<float>(h.dim(0), d.rank + d.rope);
  if (w.q_a_proj.empty()) {
    mla_down_projections(step, w, h, q.flatten(), kv_a);
  } else {
    const auto q_latent = scratch.alloc<float>(h.dim(0), w.q_a_proj.rows);
    mla_down_projections(step, w, h, q_latent, kv_a);
    ops::rmsnorm_forward(ctx, q_latent, w.q_a_layernorm, kLatentNormEps, q_latent);
    ops::linear_forward(ctx, q_latent, w.q_b_proj, q.flatten(), step.linear_mode());
  }
  ops::rope_forward_inplace(ctx, step.rope, step.positions, q.slice(/*axis=*/2, d.nope, d.rope));
  mla_store_latents(step, w, layer, kv_a);
}

/// Keys and values of all heads at one tile of positions, made from the latents.
struct ExpandedTile {
  View<const float, 3> k;       // [keys, heads, nope]
  View<const float, 3> k_rope;  // [keys, 1, rope]
  View<const float, 3> v;       // [keys, heads, v]
  i64 key_begin;
  i64 first_query;  // the first that sees any of them
};

/// fn(ExpandedTile) for every tile of a sequence, oldest first. Eqs (4), (5).
template <typename Fn>
void for_expanded_tiles(const StepContext& step, const MlaWeights& w, const MlaSequence& s,
                        Fn&& fn) {
  const MlaDims d(step.config);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto latents = scratch.alloc<float>(kKeyTileTokens, d.rank + d.rope);
  const auto kv_tile = scratch.alloc<float>(kKeyTileTokens, d.heads, d.nope + d.v);
  for_key_tiles(step, s.sequence, [&](i64 key_begin, i64 keys, i64 first_query) {
    const auto rows = latents.slice(0, 0, keys);
    const auto kv = kv_tile.slice(0, 0, keys);
    ops::cache_load_rows(step.ctx, s.cache, key_begin, rows);
    ops::linear_forward(step.ctx, rows.slice(/*axis=*/1, 0, d.rank), w.kv_b_proj, kv.flatten(),
                        step.linear_mode());
    fn(ExpandedTile{.k = kv.slice(/*axis=*/2, 0, d.nope),
                    .k_rope = as_heads(rows.slice(/*axis=*/1, d.rank, d.rope), 1),
                    .v = kv.slice(/*axis=*/2, d.nope, d.v),
                    .key_begin = key_begin,
                    .first_query = first_query});
  });
}

/// Eq (10) of a prefill, in BF16 dot products.
void mla_attention_prefill(const StepContext& step, const MlaWeights& w, const MlaSequence& s) {
  const MlaDims d(step.config);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto attention = ops::prefill_attention_begin(
      step.ctx, scratch, s.q.slice(/*axis=*/2, 0, d.nope), s.q.slice(/*axis=*/2, d.nope, d.rope),
      s.sequence.position_begin, step.config.softmax_scale(), d.v, kKeyTileTokens);
  for_expanded_tiles(step, w, s, [&](const ExpandedTile& tile) {
    ops::prefill_attention_tile(step.ctx, attention, tile.k, tile.k_rope, tile.v, tile.key_begin);
  });
  ops::prefill_attention_end(step.ctx, attention, s.out);
}

/// Eq (10) of a few queries, or in f32 throughout.
void mla_attention_tiles(const StepContext& step, const MlaWeights& w, const MlaSequence& s) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 tokens = s.q.dim(0);
  Workspace::Scope scratch(ctx.workspace());
  const ops::AttentionState state{.max = scratch.alloc<float>(tokens, d.heads),
                                  .sum = scratch.alloc<float>(tokens, d.heads),
                                  .acc = s.out};
  ops::attention_begin(ctx, state);
  for_expanded_tiles(step, w, s, [&](const ExpandedTile& expanded) {
    const auto q = s.q.slice(0, expanded.first_query, tokens - expanded.first_query);
    const ops::AttentionTile tile{.q = q.slice(/*axis=*/2, 0, d.nope),
                                  .k = expanded.k,
                                  .q_rope = q.slice(/*axis=*/2, d.nope, d.rope),
                                  .k_rope = expanded.k_rope,
                                  .v = expanded.v,
                                  .positions = s.positions.slice(0, expanded.first_query, q.dim(0)),
                                  .key_begin = expanded.key_begin,
                                  .scale = step.config.softmax_scale()};
    ops::attention_tile_forward(ctx, tile, queries_from(state, expanded.first_query));
  });
  ops::attention_end(ctx, state, s.out);
}

/// Eqs (4), (5), (10) as written: keys and values of all heads are made from the latents, one tile
/// at a time.
void mla_attention_expanded(const StepContext& step, const MlaWeights& w, const MlaSequence& s) {
  const MlaDims d(step.config);
  if (step.prefill_attention() && ops::has_prefill_attention(step.ctx, d.nope, d.rope)) {
    return mla_attention_prefill(step, w, s);
  }
  mla_attention_tiles(step, w, s);
}

/// context = sum_s p_s c^KV_s in f32, for every cache and instruction set.
void attend_to_latents(const StepContext& step, const MlaSequence& s, View<const float, 3> q_latent,
                       View<float, 3> context) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 tokens = s.q.dim(0);
  Workspace::Scope scratch(ctx.workspace());
  const auto latents = scratch.alloc<float>(kKeyTileTokens, d.rank + d.rope);
  const ops::AttentionState state{.max = scratch.alloc<float>(tokens, d.heads),
                                  .sum = scratch.alloc<float>(tokens, d.heads),
                                  .acc = context};
  ops::attention_begin(ctx, state);
  for_key_tiles(step, s.sequence, [&](i64 key_begin, i64 keys, i64 first_query) {
    const auto rows = latents.slice(0, 0, keys);
    ops::cache_load_rows(ctx, s.cache, key_begin, rows);
    const auto latent = as_heads(rows.slice(/*axis=*/1, 0, d.rank), 1);
    const i64 queries = tokens - first_query;
    const ops::AttentionTile tile{
        .q = q_latent.slice(0, first_query, queries),
        .k = latent,
        .q_rope = s.q.slice(0, first_query, queries).slice(/*axis=*/2, d.nope, d.rope),
        .k_rope = as_heads(rows.slice(/*axis=*/1, d.rank, d.rope), 1),
        .v = latent,
        .positions = s.positions.slice(0, first_query, queries),
        .key_begin = key_begin,
        .scale = step.config.softmax_scale()};
    ops::attention_tile_forward(ctx, tile, queries_from(state, first_query));
  });
  ops::attention_end(ctx, state, context);
}

/// The pages of each query's sequence, [tokens of `sequences`].
View<u8* const* const, 1> pages_of_queries(std::span<const BatchSequence> sequences, i64 tokens,
                                           Workspace::Scope& scratch) {
  const auto pages = scratch.alloc<u8* const*>(tokens);
  i64 row = 0;
  for (const BatchSequence& sequence : sequences) {
    for (i64 t = 0; t < sequence.tokens; ++t) pages(row++) = sequence.cache->pages.data();
  }
  return pages;
}

/// What all queries of absorbed sequences gather from the latents.
///   q         [tokens, heads, nope+rope]  of the sequences' rows
///   q_latent  [tokens, heads, rank]
///   context   [tokens, heads, rank]       overwritten
void attend_absorbed(const StepContext& step, std::span<const BatchSequence> sequences, i64 layer,
                     View<const float, 3> q, View<const float, 3> q_latent,
                     View<float, 3> context) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 first = sequences.front().row_begin, tokens = q.dim(0);
  const auto& cache = *sequences.front().cache;
  if (step.absorbed_activations() != ops::Activations::kF32 &&
      ops::has_latent_attention(ctx, cache.layout, d.rank)) {
    Workspace::Scope scratch(ctx.workspace());
    const ops::LatentRows rows{.layout = cache.layout,
                               .pages = pages_of_queries(sequences, tokens, scratch),
                               .offset_bytes = cache.layer_offset_bytes(layer)};
    return ops::latent_attention_forward(ctx, q_latent, q.slice(/*axis=*/2, d.nope, d.rope),
                                         step.positions.slice(0, first, tokens), rows,
                                         step.config.softmax_scale(), context);
  }
  for (const BatchSequence& sequence : sequences) {
    const i64 row = sequence.row_begin - first;
    const MlaSequence s{.sequence = sequence,
                        .cache = sequence.cache->rows(layer),
                        .positions = step.positions.slice(0, sequence.row_begin, sequence.tokens),
                        .q = q.slice(0, row, sequence.tokens),
                        .out = {}};
    attend_to_latents(step, s, q_latent.slice(0, row, sequence.tokens),
                      context.slice(0, row, sequence.tokens));
  }
}

/// The same as multi-query attention over the latents themselves: W^UK moves to the query, W^UV
/// behind the sum. V2 §2.1.2. All sequences at once: kv_b_proj is read once.
///   q    [tokens, heads, nope+rope]  of the sequences' rows
///   out  [tokens, heads, v]          overwritten
void mla_attention_absorbed(const StepContext& step, const MlaWeights& w,
                            std::span<const BatchSequence> sequences, i64 layer,
                            View<const float, 3> q, View<float, 3> out) {
  Ctx& ctx = step.ctx;
  const MlaDims d(step.config);
  const i64 tokens = q.dim(0);
  const ops::Activations activations = step.absorbed_activations();
  Workspace::Scope scratch(ctx.workspace());
  const auto q_latent = scratch.alloc<float>(tokens, d.heads, d.rank);  // W^UK^T q^C
  const auto context = scratch.alloc<float>(tokens, d.heads, d.rank);   // sum_s p_s c^KV_s
  const ops::HeadBands w_uk = {.first = 0, .count = d.nope, .step = d.nope + d.v};
  const ops::HeadBands w_uv = {.first = d.nope, .count = d.v, .step = d.nope + d.v};
  ops::linear_transposed_heads_forward(ctx, q.slice(/*axis=*/2, 0, d.nope), w.kv_b_proj, w_uk,
                                       q_latent, activations);
  attend_absorbed(step, sequences, layer, q, q_latent, context);
  ops::linear_heads_forward(ctx, context, w.kv_b_proj, w_uv, out, activations);
}

/// How many sequences from `begin` on share their form; expanded ones stand alone.
size_t alike(std::span<const BatchSequence> sequences, size_t begin) {
  size_t end = begin + 1;
  if (sequences[begin].mla_form == MlaForm::kExpanded) return end;
  while (end < sequences.size() && sequences[end].mla_form != MlaForm::kExpanded) ++end;
  return end;
}

}  // namespace

MlaForm cheaper_mla_form(const ModelConfig& config, i64 tokens, i64 context) {
  const MlaDims d(config);
  // In double: the products pass 2^63 for long contexts of large models, and ties do not matter.
  const double pairs = static_cast<double>(tokens) *
                       (static_cast<double>(context) - 0.5 * static_cast<double>(tokens - 1));
  const double up_projection = static_cast<double>(d.rank * (d.nope + d.v));
  const double expanded = pairs * static_cast<double>(d.nope + d.rope + d.v) +
                          static_cast<double>(context) * up_projection;
  const double absorbed = pairs * static_cast<double>(2 * d.rank + d.rope) +
                          static_cast<double>(tokens) * up_projection;
  return expanded <= absorbed ? MlaForm::kExpanded : MlaForm::kAbsorbed;
}

void mla_forward(const StepContext& step, const MlaWeights& w, i64 layer, View<const float, 2> h,
                 View<float, 2> u) {
  const MlaDims d(step.config);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto q = scratch.alloc<float>(h.dim(0), d.heads, d.nope + d.rope);
  const auto attn = scratch.alloc<float>(h.dim(0), d.heads, d.v);  // o_t,i of eq. (10)
  mla_queries_and_latents(step, w, layer, h, q);
  for (size_t begin = 0, end = 0; begin < step.sequences.size(); begin = end) {
    end = alike(step.sequences, begin);
    const BatchSequence &first = step.sequences[begin], &last = step.sequences[end - 1];
    const i64 row = first.row_begin, tokens = last.row_begin + last.tokens - row;
    const auto queries = q.slice(0, row, tokens), out = attn.slice(0, row, tokens);
    if (first.mla_form == MlaForm::kExpanded) {
      mla_attention_expanded(step, w,
                             {.sequence = first,
                              .cache = first.cache->rows(layer),
                              .positions = step.positions.slice(0, row, tokens),
                              .q = queries,
                              .out = out});
    } else {
      mla_attention_absorbed(step, w, step.sequences.subspan(begin, end - begin), layer, queries,
                             out);
    }
  }
  ops::linear_forward(step.ctx, attn.flatten(), w.o_proj, u, step.linear_mode());  // eq. (11)
}

}  // namespace fathom::model
