#include "model/attention/gqa.h"

#include "base/parallel.h"
#include "model/attention/key_tiles.h"
#include "ops/attention/prefill_attention.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model {
namespace {

/// y = W x + bias; an empty bias adds nothing.
void linear(const StepContext& step, View<const float, 2> x, const MatRef& w,
            View<const float, 1> bias, View<float, 2> y) {
  ops::linear_forward(step.ctx, x, w, y, step.linear_mode());
  if (!bias.empty()) ops::add_bias_inplace(step.ctx, y, bias);
}

/// fn(step, sequence) for every sequence. Of one that decodes there is too little work for several
/// threads: with many of them each thread takes sequences of its own.
template <typename Fn>
void for_each_sequence(const StepContext& step, Fn&& fn) {
  constexpr i64 kSequencesAThread = 4;
  const i64 count = std::ssize(step.sequences), threads = available_threads();
  if (step.prefill || step.options.pause != nullptr || threads == 1 ||
      count < kSequencesAThread * threads) {
    for (const BatchSequence& sequence : step.sequences) fn(step, sequence);
    return;
  }
  const auto contexts = step.ctx.thread_contexts(threads);
  parallel_for_each(count, threads, [&](i64 thread, i64 unit) {
    fn(step.on(*contexts[static_cast<size_t>(thread)]), step.sequences[static_cast<size_t>(unit)]);
  });
}

/// Keys and values of the new tokens, into the caches.
void gqa_store_rows(const StepContext& step, const GqaWeights& w, i64 layer,
                    View<const float, 2> h) {
  Ctx& ctx = step.ctx;
  const i64 kv_heads = step.config.num_key_value_heads, kv_dim = w.k_proj.rows;
  Workspace::Scope scratch(ctx.workspace());
  const auto kv = scratch.alloc<float>(h.dim(0), 2 * kv_dim);  // [keys | values]
  const auto k = kv.slice(/*axis=*/1, 0, kv_dim);
  linear(step, h, w.k_proj, w.k_proj_bias, k);
  linear(step, h, w.v_proj, w.v_proj_bias, kv.slice(/*axis=*/1, kv_dim, kv_dim));
  if (!w.k_norm.empty()) {
    ops::rmsnorm_heads_inplace(ctx, as_heads(k, kv_heads), w.k_norm, step.config.rms_norm_eps);
  }
  ops::rope_forward_inplace(ctx, step.rope, step.positions, as_heads(k, kv_heads));
  for_each_sequence(step, [&](const StepContext& one, const BatchSequence& sequence) {
    ops::cache_store_rows(one.ctx, kv.slice(0, sequence.row_begin, sequence.tokens),
                          sequence.cache->rows(layer), sequence.position_begin);
  });
}

/// fn(k, v [keys, kv heads, head_dim], key_begin, first_query) for every tile of a sequence.
template <typename Fn>
void for_gqa_tiles(const StepContext& step, const BatchSequence& sequence, ops::PagedRows cache,
                   Fn&& fn) {
  const i64 kv_heads = step.config.num_key_value_heads, kv_dim = kv_heads * step.config.head_dim;
  Workspace::Scope scratch(step.ctx.workspace());
  const auto kv = scratch.alloc<float>(kKeyTileTokens, 2 * kv_dim);
  for_key_tiles(step, sequence, [&](i64 key_begin, i64 keys, i64 first_query) {
    const auto rows = kv.slice(0, 0, keys);
    ops::cache_load_rows(step.ctx, cache, key_begin, rows);
    fn(as_heads(rows.slice(/*axis=*/1, 0, kv_dim), kv_heads),
       as_heads(rows.slice(/*axis=*/1, kv_dim, kv_dim), kv_heads), key_begin, first_query);
  });
}

/// The attention of a prefill, in BF16 dot products.
void gqa_attention_prefill(const StepContext& step, const BatchSequence& sequence,
                           ops::PagedRows cache, View<const float, 3> q, View<float, 3> out) {
  Workspace::Scope scratch(step.ctx.workspace());
  const auto attention =
      ops::prefill_attention_begin(step.ctx, scratch, q, /*q_rope=*/{}, sequence.position_begin,
                                   step.config.softmax_scale(), q.dim(2), kKeyTileTokens);
  for_gqa_tiles(step, sequence, cache, [&](const auto& k, const auto& v, i64 key_begin, i64) {
    ops::prefill_attention_tile(step.ctx, attention, k, /*k_rope=*/{}, v, key_begin);
  });
  ops::prefill_attention_end(step.ctx, attention, out);
}

///   q    [tokens, heads, head_dim]  rotated
///   out  [tokens, heads, head_dim]  overwritten
void gqa_attention(const StepContext& step, const BatchSequence& sequence, ops::PagedRows cache,
                   View<const float, 3> q, View<float, 3> out) {
  Ctx& ctx = step.ctx;
  if (step.prefill_attention() && ops::has_prefill_attention(ctx, q.dim(2), /*rope_dim=*/0)) {
    return gqa_attention_prefill(step, sequence, cache, q, out);
  }
  const i64 tokens = q.dim(0), heads = q.dim(1);
  const auto positions = step.positions.slice(0, sequence.row_begin, tokens);
  Workspace::Scope scratch(ctx.workspace());
  const ops::AttentionState state{.max = scratch.alloc<float>(tokens, heads),
                                  .sum = scratch.alloc<float>(tokens, heads),
                                  .acc = out};
  ops::attention_begin(ctx, state);
  for_gqa_tiles(
      step, sequence, cache, [&](const auto& k, const auto& v, i64 key_begin, i64 first_query) {
        const i64 queries = tokens - first_query;
        const ops::AttentionTile tile{.q = q.slice(0, first_query, queries),
                                      .k = k,
                                      .q_rope = {},
                                      .k_rope = {},
                                      .v = v,
                                      .positions = positions.slice(0, first_query, queries),
                                      .key_begin = key_begin,
                                      .scale = step.config.softmax_scale()};
        ops::attention_tile_forward(ctx, tile, queries_from(state, first_query));
      });
  ops::attention_end(ctx, state, out);
}

}  // namespace

void gqa_forward(const StepContext& step, const GqaWeights& w, i64 layer, View<const float, 2> h,
                 View<float, 2> u) {
  Ctx& ctx = step.ctx;
  const i64 heads = step.config.num_attention_heads, head_dim = step.config.head_dim;
  Workspace::Scope scratch(ctx.workspace());
  const auto q = scratch.alloc<float>(h.dim(0), heads, head_dim);
  const auto attn = scratch.alloc<float>(h.dim(0), heads, head_dim);
  linear(step, h, w.q_proj, w.q_proj_bias, q.flatten());
  if (!w.q_norm.empty()) {
    ops::rmsnorm_heads_inplace(ctx, q, w.q_norm, step.config.rms_norm_eps);
  }
  ops::rope_forward_inplace(ctx, step.rope, step.positions, q);
  gqa_store_rows(step, w, layer, h);
  for_each_sequence(step, [&](const StepContext& one, const BatchSequence& sequence) {
    gqa_attention(one, sequence, sequence.cache->rows(layer),
                  q.slice(0, sequence.row_begin, sequence.tokens),
                  attn.slice(0, sequence.row_begin, sequence.tokens));
  });
  linear(step, attn.flatten(), w.o_proj, w.o_proj_bias, u);
}

}  // namespace fathom::model
