#pragma once
// Gradients of causal attention (Dao 2023): for each block of keys, over the blocks of queries that
// see it, the probabilities are computed anew from the log-sum-exp. dK and dV of the block of keys
// stay in the second-level cache; dQ is summed in memory, in the order of the blocks of keys.
#include "kernels/cpu/causal_attention/causal_backward_operands.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// P and dS of two keys, s and s + 1 of the block, and the lanes from query i on, whose logits lie
/// in column `col` of scores and dp.
template <class W, bool kMasked>
[[gnu::always_inline]] inline void softmax_backward_pair(float scale, const Block<W>& b, int64_t s,
                                                         int64_t i, int64_t col,
                                                         const BackwardScratch<W>& x) {
  constexpr int64_t kWords = kBackwardQueryBlock / W::kNumbers;
  const Vec minus_lse = Vec::zero() - Vec::load(x.lse + b.q0 + i);
  const Vec delta = Vec::load(x.delta + b.q0 + i);
  Vec ds[2];
#pragma GCC unroll 2
  for (int j = 0; j < 2; ++j) {
    const int64_t at = (s + j) % W::kGroup * kQueriesAtOnce<W> + col;
    Vec p = exp(fma(Vec::load(x.scores + at), Vec::set1(scale), minus_lse));
    ds[j] = p * (Vec::load(x.dp + at) - delta);
    if constexpr (kMasked) {
      const Vec key = Vec::set1(static_cast<float>(b.k0 + s + j));
      const Vec position = Vec::load(x.bounds.position + i);
      const Vec first = Vec::load(x.bounds.first + i);
      p = if_visible(p, key, position, first, Vec::zero());
      ds[j] = if_visible(ds[j], key, position, first, Vec::zero());
    }
    W::store_along(p, x.p + (s + j) * kWords + i / W::kNumbers);
    W::store_along(ds[j], x.ds + (s + j) * kWords + i / W::kNumbers);
  }
  W::store_across(ds[0], ds[1], x.ds_transposed + s / W::kNumbers * kBackwardQueryBlock + i,
                  kBackwardQueryBlock);
}

/// The group's logits or their gradients: c = rows along K times `panels` panels.
template <class W>
void multiply_group(const TileProduct<W>& x, int64_t words, int64_t panels) {
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) {
    return multiply_square<false>(along(x.a, x.a_stride), panels_of(x.b, x.b_stride), words, x.c,
                                  x.c_stride);
  }
#endif
  multiply_panels<W, Lie::kAlong, false>(x, words, panels);
}

/// P and dS of the group of keys from s on and the queries [begin, end), at most kQueriesAtOnce.
template <class W>
void softmax_backward_group(const CausalAttentionArgs& a, const CausalSizes& n, const Block<W>& b,
                            int64_t s, int64_t begin, int64_t end, const BackwardScratch<W>& x) {
  const int64_t qk_words = n.qk_cols / W::kNumbers, v_words = n.v_cols / W::kNumbers;
  const int64_t panels = (end - begin) / kPanel;
  multiply_group<W>({x.k + s * qk_words, qk_words, x.q + (b.q0 + begin) * qk_words,
                     qk_words * kPanel, x.scores, kQueriesAtOnce<W>},
                    qk_words, panels);
  multiply_group<W>({x.v + s * v_words, v_words, x.dout + (b.q0 + begin) * v_words,
                     v_words * kPanel, x.dp, kQueriesAtOnce<W>},
                    v_words, panels);
  const bool all_visible =
      b.k0 + s + W::kGroup - 1 <= b.q0 + begin && b.k0 + s >= x.bounds.max_first;
  for (int64_t pair = s; pair < s + W::kGroup; pair += 2) {
    for (int64_t i = begin; i < end; i += Vec::kLanes) {
      if (all_visible) {
        softmax_backward_pair<W, false>(a.scale, b, pair, i, i - begin, x);
      } else {
        softmax_backward_pair<W, true>(a.scale, b, pair, i, i - begin, x);
      }
    }
  }
}

/// P and dS of the block. What no query of a panel sees is left out.
template <class W>
void softmax_backward_block(const CausalAttentionArgs& a, const CausalSizes& n, const Block<W>& b,
                            const BackwardScratch<W>& x) {
  for (int64_t i = 0; i < b.queries; i += kQueriesAtOnce<W>) {
    for (int64_t s = 0; s < b.keys; s += W::kGroup) {
      const int64_t first = b.first_panel(s) * kPanel, begin = first < i ? i : first;
      const int64_t last = x.bounds.end_panel(b.k0 + s + W::kGroup - 1, b.kPanels) * kPanel;
      const int64_t end = min(last, i + kQueriesAtOnce<W>);
      if (begin < end) softmax_backward_group(a, n, b, s, begin, end, x);
    }
  }
}

/// dQ += dS K of the block for the queries from t on, which see the words k of keys.
template <class W>
void add_query_gradients(const CausalSizes& n, const Block<W>& b, const WordRange* keys,
                         const BackwardScratch<W>& x) {
  constexpr int64_t kStride = kBackwardKeyBlock / W::kNumbers * kPanel;
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) {
    for (int64_t t = 0; t < b.queries; t += kSquare) {
      const WordRange k = keys[t / kSquare];
      if (k.begin >= k.end) continue;
      for (int64_t i = 0; i < n.qk_cols; i += kSquare) {
        multiply_square<true>(
            panels_of(x.k_transposed + i / kPanel * kStride + k.begin * kPanel, kStride),
            across(x.ds_transposed + k.begin * kBackwardQueryBlock + t, kBackwardQueryBlock),
            k.end - k.begin, x.dq + (b.q0 + t) * n.qk_cols + i * kSquare, kSquare);
      }
    }
    return;
  }
#endif
  const TileProduct<W> dq{x.ds_transposed, kBackwardQueryBlock,     x.k_transposed,
                          kStride,         x.dq + b.q0 * n.qk_cols, n.qk_cols};
  add_product<W, Lie::kAcross>(dq, b.queries / kRowGroup, keys, n.qk_cols / kPanel);
}

/// c += a b^T for `groups` groups of rows along K.
template <class W>
void add_along(const TileProduct<W>& x, int64_t groups, const WordRange* k, int64_t panels) {
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) return add_product(x, groups, k, panels);
#endif
  add_product<W, Lie::kAlong>(x, groups, k, panels);
}

/// dV += P^T dO, dK += dS^T Q and dQ += dS K of the block, the last two without the scale.
template <class W>
void add_gradients(const CausalSizes& n, const Block<W>& b, const BackwardScratch<W>& x) {
  constexpr int64_t kWords = kBackwardQueryBlock / W::kNumbers;
  const int64_t q_word = b.q0 / W::kNumbers, transposed_stride = n.rows / W::kNumbers * kPanel;
  WordRange queries[kBackwardKeyBlock / W::kGroup], keys[kBackwardQueryBlock / W::kGroup];
  for (int64_t s = 0; s < b.keys; s += W::kGroup) {
    const int64_t end = x.bounds.end_panel(b.k0 + s + W::kGroup - 1, b.kPanels);
    queries[s / W::kGroup] = {b.first_panel(s) * kPanel / W::kNumbers, end * kPanel / W::kNumbers};
  }
  for (int64_t t = 0; t < b.queries; t += W::kGroup) {
    const int64_t panel = t / kPanel;
    const int64_t first =
        min(x.bounds.panel_first[panel], x.bounds.panel_first[panel + b.kPanels - 1]);
    keys[t / W::kGroup] = {b.keys_from(first) / W::kNumbers,
                           b.keys_before(t + W::kGroup) / W::kNumbers};
  }
  const TileProduct<W> dv{x.p,  kWords,  x.dout_transposed + q_word * kPanel, transposed_stride,
                          x.dv, n.v_cols};
  add_along<W>(dv, b.keys / W::kGroup, queries, n.v_cols / kPanel);
  const TileProduct<W> dk{x.ds, kWords,   x.q_transposed + q_word * kPanel, transposed_stride,
                          x.dk, n.qk_cols};
  add_along<W>(dk, b.keys / W::kGroup, queries, n.qk_cols / kPanel);
  add_query_gradients(n, b, keys, x);
}

/// y rows [r0, r0 + count) = scale * columns [col, col + cols) of x [count, width].
void store_scaled(const float* x, int64_t width, int64_t col, int64_t cols, float scale,
                  const HeadRowsOut& y, int64_t r0, int64_t count, int64_t head) {
  constexpr int64_t kAhead = 12;
  for (int64_t r = 0; r < count; ++r) {
    float* to = y.data + (r0 + r) * y.row_stride + head * y.head_stride;
    if (r + kAhead < count) prefetch_row<1>(to + kAhead * y.row_stride, cols);
    for (int64_t i = 0; i < cols; i += Vec::kLanes) {
      store_n(load_n(x + r * width + col + i, cols - i) * Vec::set1(scale), to + i, cols - i);
    }
  }
}

inline void set_zero(float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = 0.0f;
}

/// dK and dV of keys [k0, k0 + kBackwardKeyBlock), and their part of dQ.
template <class W>
void backward_key_block(const CausalAttentionBackwardArgs& a, const CausalSizes& n,
                        const CausalUnit& unit, int64_t k0, BackwardScratch<W>& x) {
  set_zero(x.dk, kBackwardKeyBlock * n.qk_cols);
  set_zero(x.dv, kBackwardKeyBlock * n.v_cols);
  Block<W> b{.q0 = k0, .queries = 0, .k0 = k0, .keys = min(kBackwardKeyBlock, n.rows - k0)};
  for (; b.q0 < n.rows; b.q0 += kBackwardQueryBlock) {
    b.queries = min(kBackwardQueryBlock, n.rows - b.q0);
    x.bounds.set(a.in, unit, b.q0, b.queries);
    if (x.bounds.min_first >= k0 + b.keys) continue;
    softmax_backward_block(a.in, n, b, x);
    add_gradients(n, b, x);
  }
  const int64_t row = unit.token + k0, count = min(kBackwardKeyBlock, a.in.seq_len - k0);
  store_scaled(x.dk, n.qk_cols, 0, a.in.dim, a.in.scale, a.dk, row, count, unit.head);
  store_scaled(x.dk, n.qk_cols, a.in.dim, a.in.rope_dim, a.in.scale, a.dk_rope, row, count,
               unit.head);
  store_scaled(x.dv, n.v_cols, 0, a.in.v_dim, 1.0f, a.dv, row, count, unit.head);
}

/// dq of the unit, scaled, to where it belongs.
template <class W>
void store_query_gradients(const CausalAttentionBackwardArgs& a, const CausalSizes& n,
                           const CausalUnit& unit, const BackwardScratch<W>& x) {
  const auto store = [&](const float* dq, int64_t row, int64_t count) {
    store_scaled(dq, n.qk_cols, 0, a.in.dim, a.in.scale, a.dq, row, count, unit.head);
    store_scaled(dq, n.qk_cols, a.in.dim, a.in.rope_dim, a.in.scale, a.dq_rope, row, count,
                 unit.head);
  };
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) {
    for (int64_t t = 0; t < a.in.seq_len; t += kPanel) {
      transpose_results(x.dq + t / kSquare * kSquare * n.qk_cols + t % kSquare, kSquare, n.qk_cols,
                        x.rows);
      store(x.rows, unit.token + t, min(kPanel, a.in.seq_len - t));
    }
    return;
  }
#endif
  store(x.dq, unit.token, a.in.seq_len);
}

template <class W>
void spread_poison(const CausalAttentionBackwardArgs& a, const CausalUnit& unit,
                   const Poisoned& poisoned) {
  if (reduce_max(poisoned.k) > 0.0f) {
    spread_nan(a.in, unit, unit.k, W::kLimit, a.dq, /*to_queries=*/true);
    spread_nan(a.in, unit, unit.k_rope, W::kLimit, a.dq_rope, true);
  }
  if (reduce_max(poisoned.q) > 0.0f) {
    spread_nan(a.in, unit, unit.q, W::kLimit, a.dk, /*to_queries=*/false);
    spread_nan(a.in, unit, unit.q_rope, W::kLimit, a.dk_rope, false);
  }
  if (reduce_max(poisoned.dout) > 0.0f) {
    const Rows dout = rows_of(a.dout, unit.token, unit.head, a.in.v_dim);
    spread_nan(a.in, unit, dout, W::kLimit, a.dv, /*to_queries=*/false);
  }
}

template <class W>
void backward_units(const CausalAttentionBackwardArgs& a, int64_t begin, int64_t end,
                    void* scratch) {
  const CausalSizes n = sizes_of<W>(a.in);
  BackwardScratch<W> x;
  x.carve(n, scratch);
#if FATHOM_HAS_TILES
  const TileRegisters registers;
#endif
  for (int64_t i = begin; i < end; ++i) {
    const CausalUnit unit(a.in, i);
    Poisoned poisoned;
    pack_queries(a, n, unit, x, poisoned);
    set_zero(x.dq, n.rows * n.qk_cols);
    for (int64_t k0 = 0; k0 < a.in.seq_len; k0 += kBackwardKeyBlock) {
      pack_key_block(a.in, n, unit, k0, x, poisoned);
      backward_key_block(a, n, unit, k0, x);
    }
    store_query_gradients(a, n, unit, x);
    spread_poison<W>(a, unit, poisoned);
  }
}

int64_t causal_attention_backward_scratch_bytes(const CausalAttentionArgs& a) {
  if (a.bf16) return BackwardScratch<RoundedWords>().carve(sizes_of<RoundedWords>(a), nullptr);
  return BackwardScratch<ExactWords>().carve(sizes_of<ExactWords>(a), nullptr);
}

void causal_attention_backward_units(const CausalAttentionBackwardArgs& a, int64_t begin,
                                     int64_t end, void* scratch) {
  if (a.in.bf16) return backward_units<RoundedWords>(a, begin, end, scratch);
  backward_units<ExactWords>(a, begin, end, scratch);
}

void sum_heads_rows(const SumHeadsArgs& a, int64_t begin, int64_t end) {
  const int64_t shared = a.heads / a.groups;
  for (int64_t row = begin; row < end; ++row) {
    for (int64_t g = 0; g < a.groups; ++g) {
      const float* x = a.x.data + row * a.x.row_stride + g * shared * a.x.head_stride;
      float* y = a.y.data + row * a.y.row_stride + g * a.y.head_stride;
      for (int64_t i = 0; i < a.dim; i += Vec::kLanes) {
        Vec sum = load_n(x + i, a.dim - i);
        for (int64_t h = 1; h < shared; ++h) {
          sum = sum + load_n(x + h * a.x.head_stride + i, a.dim - i);
        }
        store_n(sum, y + i, a.dim - i);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
