#pragma once
// Causal attention over whole sequences; causal_products.inl has the products.
//
// Logits are computed as S^T [keys][queries]: a vector holds one key's logits of 16 queries. So the
// softmax needs no sum across lanes, and probabilities leave the registers in the form that the
// next product reads. Blocks of keys wholly above the diagonal or before every first key are
// skipped, and each group of eight rows sums only the keys (or queries) that some row of it sees.
//
// Forward, Milakov & Gimelshein 2018: for each block of queries a running maximum and sum over
// blocks of keys. Backward, Dao 2023: causal_attention_backward.inl.
#include "kernels/cpu/causal_attention/causal_unit.inl"
#if FATHOM_HAS_TILES
#include "kernels/cpu/causal_attention/causal_products_amx.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

#if FATHOM_HAS_TILES
using RoundedWords = TileWords;
#else
using RoundedWords = Bf16Choice<DotBf16::kAvailable>::Words;
#endif

/// Queries and keys of a block: operands of a block stay in the first two caches.
template <class W>
constexpr int64_t kQueryBlock = W::kTiles ? 64 : 48;
constexpr int64_t kKeyBlock = 192;

template <class W>
struct ForwardScratch {
  using Word = typename W::Word;
  Word* k;                    // [rows][qk words]
  Word* v;                    // panels, K = keys: [v panels][row words][16]; transposed for tiles
  Word* q;                    // panels of the block: [panels][qk words][16]
  Word* p;                    // probabilities of a tile, [key words][kQueries]
  float* scores;              // [kKeyBlock][kQueries]
  float* acc;                 // [kQueries][v_cols]; for tiles [v_cols][kQueries]
  float *max, *sum, *factor;  // [kQueries]
  QueryBounds bounds;
  float* rows;  // [kPanel][max(qk_cols, v_cols)]
  static constexpr int64_t kQueries = kQueryBlock<W>;

  int64_t carve(const CausalSizes& n, void* base) {
    Carver carver{reinterpret_cast<uintptr_t>(base)};
    carver.take(n.rows * n.qk_cols / W::kNumbers, k);
    carver.take(n.rows * n.v_cols / W::kNumbers, v);
    carver.take(kQueries * n.qk_cols / W::kNumbers, q);
    carver.take(kKeyBlock / W::kNumbers * kQueries, p);
    carver.take(kKeyBlock * kQueries, scores);
    carver.take(kQueries * n.v_cols, acc);
    carver.take(kQueries, max);
    carver.take(kQueries, sum);
    carver.take(kQueries, factor);
    carver.take(kQueries, bounds.position);
    carver.take(kQueries, bounds.first);
    carver.take(kPanel * (n.qk_cols > n.v_cols ? n.qk_cols : n.v_cols), rows);
    return static_cast<int64_t>(carver.at - reinterpret_cast<uintptr_t>(base));
  }
};

/// Returns whether a value is not finite.
template <class W>
bool pack_keys(const CausalAttentionArgs& a, const CausalSizes& n, const CausalUnit& unit,
               const ForwardScratch<W>& x) {
  Vec poison = Vec::zero();
  for (int64_t s = 0; s < n.rows; s += kPanel) {
    load_joined(unit.k, unit.k_rope, s, a.seq_len, x.rows, n.qk_cols);
    pack_along<W>(x.rows, n.qk_cols, x.k + s * n.qk_cols / W::kNumbers);
    load_joined(unit.v, {}, s, a.seq_len, x.rows, n.v_cols);
    pack_across<W>(x.rows, n.v_cols, x.v + s / W::kNumbers * kPanel, n.rows / W::kNumbers * kPanel,
                   poison);
  }
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) transpose_tiles(x.v, n.rows / W::kNumbers * n.v_cols / kPanel);
#endif
  return reduce_max(poison) > 0.0f;
}

/// S^T of a block, without scale and mask. What no query of a panel sees is left out.
template <class W>
void score_block(const CausalSizes& n, const Block<W>& b, const ForwardScratch<W>& x) {
  const int64_t words = n.qk_cols / W::kNumbers, panels = b.queries / kPanel;
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) {
    for (int64_t s = 0; s < b.keys; s += kSquare) {
      for (int64_t panel = b.first_panel(s); panel < panels; panel += 2) {
        multiply_square<false>(along(x.k + (b.k0 + s) * words, words),
                               panels_of(x.q + panel * words * kPanel, words * kPanel), words,
                               x.scores + s * x.kQueries + panel * kPanel, x.kQueries);
      }
    }
    return;
  }
#endif
  const TileProduct<W> product{x.k + b.k0 * words, words,    x.q,
                               words * kPanel,     x.scores, x.kQueries};
  for (int64_t s = 0; s < b.keys; s += kRowGroup) {
    const int64_t panel = b.first_panel(s);
    multiply_panels<W, Lie::kAlong, false>(product.template from<Lie::kAlong>(s, panel, 0), words,
                                           panels - panel);
  }
}

/// scale * logit of one key and the lanes of its queries, -inf where they do not see it.
template <class W, bool kMasked>
struct Logits {
  Vec scale, shift, position, first;
  int64_t k0;

  /// scale * logit - shift.
  Vec load(const float* scores, int64_t s) const {
    // Not fused, so that the largest logit minus the maximum is 0 exactly, and its p 1.
    const Vec logit = Vec::load(scores + s * kQueryBlock<W>) * scale - shift;
    if constexpr (!kMasked) return logit;
    const Vec key = Vec::set1(static_cast<float>(k0 + s));
    return if_visible(logit, key, position, first, Vec::set1(-kInfinity));
  }
};

/// Computes the probabilities of the lanes from query i on, and updates their maximum and
/// sum. x.factor becomes the factor for what was accumulated before.
template <class W, bool kMasked>
void softmax(float scale, const Block<W>& b, int64_t i, int64_t keys, const ForwardScratch<W>& x) {
  const float* scores = x.scores + i;
  Logits<W, kMasked> logits{Vec::set1(scale), Vec::zero(), Vec::load(x.bounds.position + i),
                            Vec::load(x.bounds.first + i), b.k0};
  const Vec old_max = Vec::load(x.max + i);
  Vec largest = old_max;  // a NaN loses here, and poisons the sum below
  for (int64_t s = 0; s < keys; ++s) largest = max(logits.load(scores, s), largest);
  // Nothing but -inf so far: -inf counts as 0, not as -inf - -inf = NaN.
  const Vec shift = select_less(Vec::set1(-kInfinity), largest, largest, Vec::zero());
  const Vec factor = exp(old_max - shift);
  logits.shift = shift;
  Vec sum = Vec::zero();
  for (int64_t s = 0; s < keys; s += 2) {
    const Vec even = exp(logits.load(scores, s)), odd = exp(logits.load(scores, s + 1));
    sum = sum + (even + odd);
    W::store_across(even, odd, x.p + s / W::kNumbers * x.kQueries + i, x.kQueries);
  }
  largest.store(x.max + i);
  factor.store(x.factor + i);
  fma(Vec::load(x.sum + i), factor, sum).store(x.sum + i);
}

template <class W>
void softmax_block(const CausalAttentionArgs& a, const Block<W>& b, const ForwardScratch<W>& x) {
  constexpr int64_t kQueriesAtOnce = Block<W>::kPanels * kPanel;
  for (int64_t i = 0; i < b.queries; i += Vec::kLanes) {
    const int64_t panel = i / kPanel * kPanel;
    const int64_t keys = b.keys_before(i / kQueriesAtOnce * kQueriesAtOnce + kQueriesAtOnce);
    if (keys <= 0) {
      Vec::set1(1.0f).store(x.factor + i);
    } else if (b.k0 + keys - 1 > b.q0 + panel || b.k0 < x.bounds.max_first) {
      softmax<W, true>(a.scale, b, i, keys, x);
    } else {
      softmax<W, false>(a.scale, b, i, keys, x);
    }
  }
}

#if FATHOM_HAS_TILES
/// acc^T = acc^T * factor + V^T P^T.
inline void add_transposed_values(const CausalSizes& n, const Block<TileWords>& b,
                                  const ForwardScratch<TileWords>& x) {
  const int64_t words = n.rows / 2;
  for (int64_t i = 0; i < b.queries; i += kSquare) {
    for (int64_t j = i; j < i + kSquare; j += Vec::kLanes) {
      const Vec factor = Vec::load(x.factor + j);
      for (int64_t v = 0; v < n.v_cols; ++v) {
        float* acc = x.acc + v * x.kQueries + j;
        (Vec::load(acc) * factor).store(acc);
      }
    }
    const int64_t keys = b.keys_before(i + kSquare);
    if (keys <= 0) continue;
    for (int64_t v = 0; v < n.v_cols; v += kSquare) {
      multiply_square<true>(panels_of(x.v + v * words + b.k0 / 2 * kPanel, words * kPanel),
                            across(x.p + i, x.kQueries), keys / 2, x.acc + v * x.kQueries + i,
                            x.kQueries);
    }
  }
}
#endif

/// acc = acc * factor + P V.
template <class W>
void add_values(const CausalSizes& n, const Block<W>& b, const ForwardScratch<W>& x) {
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles) return add_transposed_values(n, b, x);
#endif
  for (int64_t t = 0; t < b.queries; ++t) {
    if (x.factor[t] == 1.0f) continue;
    const Vec factor = Vec::set1(x.factor[t]);
    for (int64_t i = 0; i < n.v_cols; i += Vec::kLanes) {
      float* acc = x.acc + t * n.v_cols + i;
      (Vec::load(acc) * factor).store(acc);
    }
  }
  WordRange keys[kQueryBlock<W> / kRowGroup];
  for (int64_t t = 0; t < b.queries; t += kRowGroup) {
    keys[t / kRowGroup] = {0, b.keys_before(t + kRowGroup) / W::kNumbers};
  }
  const TileProduct<W> product{
      x.p,   x.kQueries, x.v + b.k0 / W::kNumbers * kPanel, n.rows / W::kNumbers * kPanel,
      x.acc, n.v_cols};
  add_product<W, Lie::kAcross>(product, b.queries / kRowGroup, keys, n.v_cols / kPanel);
}

template <class W>
void store_block(const CausalAttentionForwardArgs& a, const CausalSizes& n, const CausalUnit& unit,
                 int64_t q0, const ForwardScratch<W>& x) {
  const int64_t count = min(x.kQueries, a.in.seq_len - q0);
  for (int64_t t = 0; t < count; ++t) {
    const int64_t row = unit.token + q0 + t;
    const float* acc = x.acc + t * n.v_cols;
#if FATHOM_HAS_TILES
    if constexpr (W::kTiles) {
      if (t % kPanel == 0) transpose_results(x.acc + t, x.kQueries, n.v_cols, x.rows);
      acc = x.rows + t % kPanel * n.v_cols;
    }
#endif
    float* out = a.out.data + row * a.out.row_stride + unit.head * a.out.head_stride;
    const Vec inverse = Vec::set1(1.0f / x.sum[t]);
    for (int64_t i = 0; i < a.in.v_dim; i += Vec::kLanes) {
      store_n(Vec::load(acc + i) * inverse, out + i, a.in.v_dim - i);
    }
    const double log_sum = __builtin_log(static_cast<double>(x.sum[t]));
    a.lse[row * a.lse_stride + unit.head] =
        static_cast<float>(static_cast<double>(x.max[t]) + log_sum);
  }
}

template <class W>
void forward_block(const CausalAttentionForwardArgs& a, const CausalSizes& n,
                   const CausalUnit& unit, int64_t q0, ForwardScratch<W>& x) {
  Block<W> b{.q0 = q0, .queries = min(x.kQueries, n.rows - q0), .k0 = 0, .keys = 0};
  x.bounds.set(a.in, unit, q0, b.queries);
  for (int64_t t = 0; t < b.queries; t += kPanel) {
    load_joined(unit.q, unit.q_rope, q0 + t, a.in.seq_len, x.rows, n.qk_cols);
    pack_panel<W>(x.rows, n.qk_cols, x.q + t * n.qk_cols / W::kNumbers);
  }
  for (int64_t t = 0; t < b.queries; ++t) {
    x.max[t] = -kInfinity;
    x.sum[t] = 0.0f;
  }
  for (int64_t i = 0; i < x.kQueries * n.v_cols; ++i) x.acc[i] = 0.0f;
  for (int64_t t = q0; t < min(a.in.seq_len, q0 + b.queries); ++t) {
    prefetch_row<1>(
        a.out.data + (unit.token + t) * a.out.row_stride + unit.head * a.out.head_stride,
        a.in.v_dim);
  }
  const int64_t end = min(n.rows, q0 + b.queries);
  for (b.k0 = x.bounds.min_first / W::kGroup * W::kGroup; b.k0 < end; b.k0 += kKeyBlock) {
    b.keys = min(kKeyBlock, end - b.k0);
    score_block(n, b, x);
    softmax_block(a.in, b, x);
    add_values(n, b, x);
  }
  store_block(a, n, unit, q0, x);
}

template <class W>
void forward_units(const CausalAttentionForwardArgs& a, int64_t begin, int64_t end, void* scratch) {
  const CausalSizes n = sizes_of<W>(a.in);
  ForwardScratch<W> x;
  x.carve(n, scratch);
#if FATHOM_HAS_TILES
  const TileRegisters registers;
#endif
  for (int64_t i = begin; i < end; ++i) {
    const CausalUnit unit(a.in, i);
    const bool poisoned = pack_keys(a.in, n, unit, x);
    for (int64_t q0 = 0; q0 < a.in.seq_len; q0 += x.kQueries) forward_block(a, n, unit, q0, x);
    if (poisoned) spread_nan(a.in, unit, unit.v, W::kLimit, a.out, /*to_queries=*/true);
  }
}

int64_t causal_attention_forward_scratch_bytes(const CausalAttentionArgs& a) {
  if (a.bf16) return ForwardScratch<RoundedWords>().carve(sizes_of<RoundedWords>(a), nullptr);
  return ForwardScratch<ExactWords>().carve(sizes_of<ExactWords>(a), nullptr);
}

void causal_attention_forward_units(const CausalAttentionForwardArgs& a, int64_t begin, int64_t end,
                                    void* scratch) {
  if (a.in.bf16) return forward_units<RoundedWords>(a, begin, end, scratch);
  forward_units<ExactWords>(a, begin, end, scratch);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
