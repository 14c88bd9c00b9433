#pragma once
// Operands of the gradients of causal attention: what a unit holds in scratch, and how queries and
// a block of keys are packed into it.
#include "kernels/cpu/causal_attention/causal_attention_forward.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Queries and keys of a block, and the queries of it whose logits are computed at once.
constexpr int64_t kBackwardQueryBlock = 192, kBackwardKeyBlock = 96;
template <class W>
constexpr int64_t kQueriesAtOnce = W::kTiles ? 32 : 48;
static_assert(kBackwardQueryBlock <= kMaxPanels * kPanel);

/// Operands of all queries of a unit, of one block of keys, and one tile of probabilities.
template <class W>
struct BackwardScratch {
  using Word = typename W::Word;
  Word *q, *dout;                        // panels, K = columns: [row panels][words][16]
  Word *q_transposed, *dout_transposed;  // panels, K = queries: [column panels][row words][16]
  float *lse, *delta;                    // [rows]
  float* dq;                             // [rows][qk_cols]; for tiles [rows / 32][qk_cols][32]
  Word *k, *v;                           // of the block: [kBackwardKeyBlock][words]
  Word* k_transposed;                    // panels, K = keys of the block; transposed for tiles
  float *dk, *dv;       // [kBackwardKeyBlock][qk_cols], [kBackwardKeyBlock][v_cols]
  float *scores, *dp;   // of a group of keys: [kGroup][kQueriesAtOnce]
  Word *p, *ds;         // K = queries: [kBackwardKeyBlock][kBackwardQueryBlock words]
  Word* ds_transposed;  // K = keys: [key words][kBackwardQueryBlock]
  QueryBounds bounds;
  float* rows;  // [kPanel][max(qk_cols, v_cols)]

  int64_t carve(const CausalSizes& n, void* base) {
    Carver carver{reinterpret_cast<uintptr_t>(base)};
    carver.take(n.rows * n.qk_cols / W::kNumbers, q, q_transposed);
    carver.take(n.rows * n.v_cols / W::kNumbers, dout, dout_transposed);
    carver.take(n.rows, lse, delta);
    carver.take(n.rows * n.qk_cols, dq);
    carver.take(kBackwardKeyBlock * n.qk_cols / W::kNumbers, k, k_transposed);
    carver.take(kBackwardKeyBlock * n.v_cols / W::kNumbers, v);
    carver.take(kBackwardKeyBlock * n.qk_cols, dk);
    carver.take(kBackwardKeyBlock * n.v_cols, dv);
    carver.take(W::kGroup * kQueriesAtOnce<W>, scores, dp);
    carver.take(kBackwardKeyBlock * kBackwardQueryBlock / W::kNumbers, p, ds, ds_transposed);
    carver.take(kBackwardQueryBlock, bounds.position);
    carver.take(kBackwardQueryBlock, bounds.first);
    carver.take(kPanel * (n.qk_cols > n.v_cols ? n.qk_cols : n.v_cols), rows);
    return static_cast<int64_t>(carver.at - reinterpret_cast<uintptr_t>(base));
  }
};

/// Whether numbers that a mask might hide were taken out of an operand.
struct Poisoned {
  Vec q = Vec::zero(), k = Vec::zero(), dout = Vec::zero();
};

/// sum over i of dout[i] out[i], dout rounded as the products of dout . v see it: so ds of a query
/// with one key is 0 but for f32 rounding.
template <class W>
inline float delta_of(const float* dout, const float* out, int64_t n) {
  Vec sum = Vec::zero();
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    sum = fma(W::round(load_n(dout + i, n - i)), load_n(out + i, n - i), sum);
  }
  return reduce_add(sum);
}

template <class W>
void pack_queries(const CausalAttentionBackwardArgs& a, const CausalSizes& n,
                  const CausalUnit& unit, const BackwardScratch<W>& x, Poisoned& poisoned) {
  const Rows out = rows_of(a.out, unit.token, unit.head, a.in.v_dim);
  const Rows dout = rows_of(a.dout, unit.token, unit.head, a.in.v_dim);
  const int64_t transposed_stride = n.rows / W::kNumbers * kPanel;
  for (int64_t t = 0; t < n.rows; t += kPanel) {
    load_joined(unit.q, unit.q_rope, t, a.in.seq_len, x.rows, n.qk_cols);
    pack_panel<W>(x.rows, n.qk_cols, x.q + t * n.qk_cols / W::kNumbers);
    pack_across<W>(x.rows, n.qk_cols, x.q_transposed + t / W::kNumbers * kPanel, transposed_stride,
                   poisoned.q);
    load_joined(dout, {}, t, a.in.seq_len, x.rows, n.v_cols);
    pack_panel<W>(x.rows, n.v_cols, x.dout + t * n.v_cols / W::kNumbers);
    pack_across<W>(x.rows, n.v_cols, x.dout_transposed + t / W::kNumbers * kPanel,
                   transposed_stride, poisoned.dout);
  }
  for (int64_t t = 0; t < n.rows; ++t) {
    const bool inside = t < a.in.seq_len;
    x.lse[t] = inside ? a.lse[(unit.token + t) * a.lse_stride + unit.head] : 0.0f;
    x.delta[t] =
        inside ? delta_of<W>(dout.data + t * dout.stride, out.data + t * out.stride, a.in.v_dim)
               : 0.0f;
  }
}

template <class W>
void pack_key_block(const CausalAttentionArgs& a, const CausalSizes& n, const CausalUnit& unit,
                    int64_t k0, const BackwardScratch<W>& x, Poisoned& poisoned) {
  for (int64_t s = 0; s < min(kBackwardKeyBlock, n.rows - k0); s += kPanel) {
    load_joined(unit.k, unit.k_rope, k0 + s, a.seq_len, x.rows, n.qk_cols);
    pack_along<W>(x.rows, n.qk_cols, x.k + s * n.qk_cols / W::kNumbers);
    pack_across<W>(x.rows, n.qk_cols, x.k_transposed + s / W::kNumbers * kPanel,
                   kBackwardKeyBlock / W::kNumbers * kPanel, poisoned.k);
    load_joined(unit.v, {}, k0 + s, a.seq_len, x.rows, n.v_cols);
    pack_along<W>(x.rows, n.v_cols, x.v + s * n.v_cols / W::kNumbers);
  }
#if FATHOM_HAS_TILES
  if constexpr (W::kTiles)
    transpose_tiles(x.k_transposed, kBackwardKeyBlock / 2 * n.qk_cols / kPanel);
#endif
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
