#pragma once
// Prefill attention. api/prefill_attention.h has the layout; multiply_rows(), of
// row_product_dot.inl or row_product_amx.inl, computes both products, QK^T and PV.
//
// Invariant: a query's sums run over the tiles of keys, and within one over its keys, in rising
// order; no other query and no thread changes them.
#include "kernels/api/prefill_attention.h"
#include "kernels/cpu/attention/row_product.inl"
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/isa/vec_functions.inl"
#if FATHOM_HAS_TILES
#include "kernels/cpu/attention/row_product_amx.inl"
#else
#include "kernels/cpu/attention/row_product_dot.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kPrefillVecs = static_cast<int>(kPrefillLanes);

inline const float* head_data(const HeadRows& x, int64_t head) {
  return x.data + head * x.head_stride;
}

/// 16 rows of x x `cols` columns, transposed, as pairs of BF16 into a panel; rows from `rows` on
/// are 0.
inline void pack_transposed(const float* x, int64_t row_stride, int64_t rows, int64_t cols,
                            uint16_t* out) {
  for (int64_t col = 0; col < cols; col += kPrefillLanes) {
    Vec block[kPrefillVecs];
    for (int r = 0; r < kPrefillVecs; ++r) {
      block[r] = r < rows ? load_n(x + r * row_stride + col, cols - col) : Vec::zero();
    }
    transpose(block);
    for (int i = 0; i < kPrefillVecs && col + i < cols; i += 2) {
      PanelBf16::store_step(block[i], block[i + 1], out + (col + i) * kPrefillLanes);
    }
  }
}

/// Units [begin, end) of [heads, blocks]: queries as panels, and an empty state.
void pack_prefill_queries(const PrefillAttentionArgs& a, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t head = unit / a.blocks, token = unit % a.blocks * kPrefillLanes;
    const int64_t rows = min(kPrefillLanes, a.tokens - token), width = a.dim + a.rope_dim;
    uint16_t* panel = a.panels + unit * a.qk_padded * kPrefillLanes;
    pack_transposed(head_data(a.q, head) + token * a.q.row_stride, a.q.row_stride, rows, a.dim,
                    panel);
    if (a.rope_dim > 0) {
      pack_transposed(head_data(a.q_rope, head) + token * a.q_rope.row_stride, a.q_rope.row_stride,
                      rows, a.rope_dim, panel + a.dim * kPrefillLanes);
    }
    __builtin_memset(panel + width * kPrefillLanes, 0,
                     static_cast<Size>(2 * (a.qk_padded - width) * kPrefillLanes));
    Vec::set1(-__builtin_inff()).store(a.max + unit * kPrefillLanes);
    Vec::zero().store(a.sum + unit * kPrefillLanes);
    __builtin_memset(a.acc + unit * a.v_padded * kPrefillLanes, 0,
                     static_cast<Size>(4 * a.v_padded * kPrefillLanes));
  }
}

/// What one unit works with.
struct PrefillScratch {
  uint16_t* keys;     // [key_padded] rows [qk_padded]
  uint16_t* values;   // [v_padded] rows [key_padded]: values transposed
  float* scores;      // [panels][key_padded][16]
  uint16_t* weights;  // [panels][key_padded / 2][16][2]
  float* sums;        // [panels][v_padded][16]
  int64_t key_stride, value_stride;

  PrefillScratch(const PrefillAttentionArgs& a, void* base) {
    key_stride = prefill_row_stride(a.qk_padded);
    value_stride = prefill_row_stride(a.key_padded);
    scores = static_cast<float*>(base);
    sums = scores + kPrefillPanels * a.key_padded * kPrefillLanes;
    weights = reinterpret_cast<uint16_t*>(sums + kPrefillPanels * a.v_padded * kPrefillLanes);
    keys = weights + kPrefillPanels * a.key_padded * kPrefillLanes;
    values = keys + a.key_padded * key_stride;
  }
};

inline void store_row(const float* x, int64_t cols, uint16_t* out) {
  for (int64_t i = 0; i < cols; i += Vec::kLanes) {
    store_n(load_n(x + i, cols - i), out + i, cols - i);
  }
}

/// Keys of one head as rows of BF16, zeros around them.
void pack_prefill_keys(const PrefillAttentionArgs& a, int64_t head, const PrefillScratch& s) {
  const float* k = head_data(a.k, head / a.heads_per_kv_head);
  const float* rope = a.rope_dim > 0 ? head_data(a.k_rope, head / a.heads_per_rope_head) : nullptr;
  const int64_t width = a.dim + a.rope_dim;
  for (int64_t key = 0; key < a.keys; ++key) {
    uint16_t* row = s.keys + key * s.key_stride;
    store_row(k + key * a.k.row_stride, a.dim, row);
    if (rope != nullptr) store_row(rope + key * a.k_rope.row_stride, a.rope_dim, row + a.dim);
    __builtin_memset(row + width, 0, static_cast<Size>(2 * (a.qk_padded - width)));
  }
  for (int64_t key = a.keys; key % 32 != 0; ++key) {
    __builtin_memset(s.keys + key * s.key_stride, 0, static_cast<Size>(2 * a.qk_padded));
  }
}

/// Values of one head, transposed: a row for each column of v, zeros behind the last key.
void pack_prefill_values(const PrefillAttentionArgs& a, int64_t head, const PrefillScratch& s) {
  const float* v = head_data(a.v, head / a.heads_per_kv_head);
  for (int64_t key = 0; key < (a.keys + 31) / 32 * 32; key += kPrefillLanes) {
    for (int64_t col = 0; col < a.v_padded; col += kPrefillLanes) {
      Vec block[kPrefillVecs];
      for (int r = 0; r < kPrefillVecs; ++r) {
        block[r] = key + r < a.keys && col < a.v_dim
                       ? load_n(v + (key + r) * a.v.row_stride + col, a.v_dim - col)
                       : Vec::zero();
      }
      transpose(block);
      for (int r = 0; r < kPrefillVecs; ++r) {
        block[r].store_bf16(s.values + (col + r) * s.value_stride + key);
      }
    }
  }
}

/// -inf for the scores of one panel that its queries do not see: query i sees keys 0 to before + i
/// of the tile, which has `real` keys and zeros up to `keys`.
inline void mask_scores(float* scores, int64_t real, int64_t keys, int64_t before) {
  alignas(64) static constexpr float kLane[kPrefillVecs] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                            8, 9, 10, 11, 12, 13, 14, 15};
  const Vec hidden = Vec::set1(-__builtin_inff());
  const Vec last = Vec::load(kLane) + Vec::set1(static_cast<float>(before));
  for (int64_t key = before + 1 < 0 ? 0 : before + 1; key < real; ++key) {
    float* at = scores + key * kPrefillLanes;
    select_less(last, Vec::set1(static_cast<float>(key)), hidden, Vec::load(at)).store(at);
  }
  for (int64_t key = real; key < keys; ++key) hidden.store(scores + key * kPrefillLanes);
}

/// The BF16 weights exp(scale * score - maximum) of the scores of one panel. Updates maximum
/// and sum, and returns the factor for what was accumulated before.
inline Vec softmax_panel(const float* scores, int64_t keys, float scale, float* running_max,
                         float* running_sum, uint16_t* weights) {
  Vec largest = Vec::load(scores);
  for (int64_t key = 1; key < keys; ++key) {
    largest = max(Vec::load(scores + key * kPrefillLanes), largest);
  }
  const Vec minus_inf = Vec::set1(-__builtin_inff()), old_max = Vec::load(running_max);
  const Vec new_max = max(largest * Vec::set1(scale), old_max);
  // Nothing seen so far: -inf counts as 0, not as -inf - -inf = NaN.
  const Vec shift = select_less(minus_inf, new_max, new_max, Vec::zero());
  Vec sum = Vec::zero();
  for (int64_t key = 0; key < keys; key += 2) {
    const float* at = scores + key * kPrefillLanes;
    const Vec first = exp(Vec::load(at) * Vec::set1(scale) - shift);
    const Vec second = exp(Vec::load(at + kPrefillLanes) * Vec::set1(scale) - shift);
    uint16_t* pair = weights + key * kPrefillLanes;
    PanelBf16::store_step(first, second, pair);
    const __m512i rounded = _mm512_loadu_si512(pair);
    sum = sum + Vec{_mm512_castsi512_ps(_mm512_slli_epi32(rounded, 16))};
    sum = sum + Vec{_mm512_castsi512_ps(
                    _mm512_and_si512(rounded, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
  }
  const Vec factor = exp(old_max - shift);
  new_max.store(running_max);
  fma(Vec::load(running_sum), factor, sum).store(running_sum);
  return factor;
}

/// P blocks of queries from `block` on against the tile.
template <int P>
void attend_blocks(const PrefillAttentionArgs& a, int64_t head, int64_t block,
                   const PrefillScratch& s) {
  const int64_t first = head * a.blocks + block, token = block * kPrefillLanes;
  const int64_t last = min(token + P * kPrefillLanes, a.tokens) - 1;  // real query
  const int64_t seen = min(a.keys, a.first_position + last - a.key_begin + 1);
  if (seen <= 0) return;
  const int64_t keys = (seen + 31) / 32 * 32;
  const uint16_t* panels = a.panels + first * a.qk_padded * kPrefillLanes;
  multiply_rows<P>({s.keys, s.key_stride, keys, a.qk_padded, panels, a.qk_padded * kPrefillLanes,
                    s.scores, a.key_padded * kPrefillLanes});
  Vec factor[P];
  for (int p = 0; p < P; ++p) {
    float* scores = s.scores + p * a.key_padded * kPrefillLanes;
    const int64_t at = (first + p) * kPrefillLanes;
    const int64_t before = a.first_position + token + p * kPrefillLanes - a.key_begin;
    mask_scores(scores, min(a.keys, keys), keys, before);
    factor[p] = softmax_panel(scores, keys, a.scale, a.max + at, a.sum + at,
                              s.weights + p * a.key_padded * kPrefillLanes);
  }
  multiply_rows<P>({s.values, s.value_stride, a.v_padded, keys, s.weights,
                    a.key_padded * kPrefillLanes, s.sums, a.v_padded * kPrefillLanes});
  for (int p = 0; p < P; ++p) {
    float* acc = a.acc + (first + p) * a.v_padded * kPrefillLanes;
    const float* sums = s.sums + p * a.v_padded * kPrefillLanes;
    for (int64_t i = 0; i < a.v_padded * kPrefillLanes; i += kPrefillLanes) {
      fma(Vec::load(acc + i), factor[p], Vec::load(sums + i)).store(acc + i);
    }
  }
}

/// Units [begin, end) of [heads, parts].
void prefill_attention_units(const PrefillAttentionArgs& a, int64_t begin, int64_t end,
                             void* scratch) {
  const PrefillScratch s(a, scratch);
  [[maybe_unused]] const ProductRegisters registers;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t head = unit / a.parts, part = unit % a.parts;
    const int64_t last = a.blocks * (part + 1) / a.parts;
    pack_prefill_keys(a, head, s);
    pack_prefill_values(a, head, s);
    int64_t block = a.blocks * part / a.parts;
    for (; block + 2 <= last; block += 2) attend_blocks<2>(a, head, block, s);
    if (block < last) attend_blocks<1>(a, head, block, s);
  }
}

/// Units [begin, end) of [heads, blocks]: out = acc / sum.
void prefill_attention_end(const PrefillAttentionArgs& a, int64_t begin, int64_t end) {
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t head = unit / a.blocks, token = unit % a.blocks * kPrefillLanes;
    const Vec inverse = Vec::set1(1.0f) / Vec::load(a.sum + unit * kPrefillLanes);
    const float* acc = a.acc + unit * a.v_padded * kPrefillLanes;
    for (int64_t col = 0; col < a.v_dim; col += kPrefillLanes) {
      Vec block[kPrefillVecs];
      for (int i = 0; i < kPrefillVecs; ++i) {
        block[i] = Vec::load(acc + (col + i) * kPrefillLanes) * inverse;
      }
      transpose(block);
      for (int64_t t = 0; t < min(kPrefillLanes, a.tokens - token); ++t) {
        float* out = a.out + (token + t) * a.out_row + head * a.out_head + col;
        store_n(block[t], out, a.v_dim - col);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
