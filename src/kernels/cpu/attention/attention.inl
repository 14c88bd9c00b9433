#pragma once
// One tile of keys, kAttentionQueries queries at a time. Per element every sum has a fixed order
// (the head dimension in lanes, keys in rising order), so a query's result does not depend on the
// other rows of the batch.
#include "kernels/api/attention.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kQueries = static_cast<int>(kAttentionQueries);

/// What a unit works on: up to kQueries queries of one group. Unused entries repeat the last query
/// with no visible key.
struct QueryBlock {
  int count;
  int64_t token[kQueries], head[kQueries];
  int64_t visible[kQueries];  // keys [0, visible) of the tile are at or before the query
  int64_t max_visible, min_visible;
};

QueryBlock query_block(const AttentionTileArgs& a, int64_t group, int64_t first) {
  QueryBlock b{};
  const int64_t left = a.tokens * a.heads_per_group - first;
  b.count = static_cast<int>(min(left, kQueries));
  b.min_visible = a.keys;
  for (int i = 0; i < kQueries; ++i) {
    const int64_t query = first + min(i, b.count - 1);
    b.token[i] = query / a.heads_per_group;
    b.head[i] = group * a.heads_per_group + query % a.heads_per_group;
    const int64_t before = a.positions[b.token[i]] - a.key_begin + 1;
    b.visible[i] = before < 0 ? 0 : min(before, a.keys);
    if (b.visible[i] > b.max_visible) b.max_visible = b.visible[i];
    b.min_visible = min(b.min_visible, b.visible[i]);
  }
  return b;
}

/// acc[q][k] += lanes of query q . key k over `dim`.
template <int K>
[[gnu::always_inline]] inline void add_products(const HeadRows& queries, const QueryBlock& b,
                                                const float* key, int64_t key_stride, int64_t dim,
                                                Vec (&acc)[kQueries][K]) {
  const float* q[kQueries];
  for (int i = 0; i < kQueries; ++i) {
    q[i] = queries.data + b.token[i] * queries.row_stride + b.head[i] * queries.head_stride;
  }
  for (int64_t d = 0; d < dim; d += Vec::kLanes) {
    Vec k[K];
    for (int j = 0; j < K; ++j) k[j] = load_n(key + j * key_stride + d, dim - d);
    for (int i = 0; i < kQueries; ++i) {
      const Vec x = load_n(q[i] + d, dim - d);
      for (int j = 0; j < K; ++j) acc[i][j] = fma(x, k[j], acc[i][j]);
    }
  }
}

/// scores[q][key .. key + K) = scale * (q . k + q_rope . k_rope).
template <int K>
void score_keys(const AttentionTileArgs& a, const QueryBlock& b, const float* k,
                const float* k_rope, int64_t key, float* scores, int64_t scores_stride) {
  Vec acc[kQueries][K];
  for (int i = 0; i < kQueries; ++i) {
    for (int j = 0; j < K; ++j) acc[i][j] = Vec::zero();
  }
  add_products<K>(a.q, b, k + key * a.k.row_stride, a.k.row_stride, a.dim, acc);
  if (k_rope != nullptr) {
    add_products<K>(a.q_rope, b, k_rope + key * a.k_rope.row_stride, a.k_rope.row_stride,
                    a.rope_dim, acc);
  }
  for (int i = 0; i < kQueries; ++i) {
    for (int j = 0; j < K; ++j) {
      scores[i * scores_stride + key + j] = a.scale * reduce_add(acc[i][j]);
    }
  }
}

/// Replaces a query's scores by exp(score - new maximum) and updates its maximum and sum. Returns
/// the factor for what was accumulated before; nothing visible or all -inf: `visible` becomes 0.
float softmax(const AttentionTileArgs& a, int64_t token, int64_t head, float* scores,
              int64_t& visible) {
  constexpr float kMinusInf = -__builtin_inff();
  float& running_max = a.max[token * a.max_stride + head];
  float& running_sum = a.sum[token * a.sum_stride + head];
  Vec largest = Vec::set1(kMinusInf);
  for (int64_t j = 0; j < visible; j += Vec::kLanes) {
    largest = max(load_n(scores + j, visible - j, kMinusInf), largest);  // a NaN loses here ...
  }
  const float tile_max = reduce_max(largest);
  const float new_max = tile_max > running_max ? tile_max : running_max;
  Vec sum = Vec::zero();
  for (int64_t j = 0; j < visible; j += Vec::kLanes) {
    // new_max = -inf: nothing but -inf and NaN so far. -inf counts as 0, not as -inf - -inf = NaN.
    const Vec score = load_n(scores + j, visible - j, kMinusInf);
    const Vec shift = Vec::set1(new_max == kMinusInf ? 0.0f : new_max);
    const Vec p = exp(score - shift);
    sum = sum + p;
    store_n(p, scores + j, visible - j);
  }
  const float factor = running_max == new_max ? 1.0f : exp1(running_max - new_max);
  running_max = new_max;
  running_sum = running_sum * factor + reduce_add(sum);  // ... and poisons the sum here
  return factor;
}

/// acc[q] = acc[q] * factor[q] + sum over keys [0, visible[q]) of p[q][key] v[key], on C vectors.
template <int C>
void add_values(const AttentionTileArgs& a, const QueryBlock& b, const float* v, const float* p,
                int64_t p_stride, const float* factor, int64_t col) {
  const int64_t n = a.v_dim - col;
  Vec acc[kQueries][C];
  float* out[kQueries];
  for (int i = 0; i < kQueries; ++i) {
    out[i] = a.acc + b.token[i] * a.acc_row_stride + b.head[i] * a.acc_head_stride + col;
    for (int c = 0; c < C; ++c) {
      acc[i][c] = load_n(out[i] + c * Vec::kLanes, n - c * Vec::kLanes) * Vec::set1(factor[i]);
    }
  }
  for (int64_t j = 0; j < b.min_visible; ++j) {
    Vec value[C];
    for (int c = 0; c < C; ++c) {
      value[c] = load_n(v + j * a.v.row_stride + col + c * Vec::kLanes, n - c * Vec::kLanes);
    }
    for (int i = 0; i < kQueries; ++i) {
      const Vec weight = Vec::set1(p[i * p_stride + j]);
      for (int c = 0; c < C; ++c) acc[i][c] = fma(weight, value[c], acc[i][c]);
    }
  }
  for (int i = 0; i < b.count; ++i) {
    for (int64_t j = b.min_visible; j < b.visible[i]; ++j) {
      const Vec weight = Vec::set1(p[i * p_stride + j]);
      for (int c = 0; c < C; ++c) {
        const Vec value =
            load_n(v + j * a.v.row_stride + col + c * Vec::kLanes, n - c * Vec::kLanes);
        acc[i][c] = fma(weight, value, acc[i][c]);
      }
    }
    for (int c = 0; c < C; ++c) store_n(acc[i][c], out[i] + c * Vec::kLanes, n - c * Vec::kLanes);
  }
}

/// scratch: kAttentionQueries rows of `keys` floats, padded to kAttentionKeyPad.
void attention_tile_units(const AttentionTileArgs& a, int64_t begin, int64_t end, float* scratch) {
  const int64_t stride = (a.keys + kAttentionKeyPad - 1) / kAttentionKeyPad * kAttentionKeyPad;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t group = unit / a.units_per_group;
    QueryBlock b = query_block(a, group, unit % a.units_per_group * kQueries);
    if (b.max_visible == 0) continue;
    const int64_t kv_head = group / a.groups_per_kv_head;
    const float* k = a.k.data + kv_head * a.k.head_stride;
    const float* v = a.v.data + kv_head * a.v.head_stride;
    const float* k_rope =
        a.k_rope.data == nullptr
            ? nullptr
            : a.k_rope.data + group / a.groups_per_rope_head * a.k_rope.head_stride;
    int64_t key = 0;
    for (; key + 4 <= b.max_visible; key += 4) {
      score_keys<4>(a, b, k, k_rope, key, scratch, stride);
    }
    for (; key < b.max_visible; ++key) score_keys<1>(a, b, k, k_rope, key, scratch, stride);

    float factor[kQueries];
    for (int i = 0; i < b.count; ++i) {
      factor[i] = b.visible[i] == 0
                      ? 1.0f
                      : softmax(a, b.token[i], b.head[i], scratch + i * stride, b.visible[i]);
    }
    for (int i = b.count; i < kQueries; ++i) factor[i] = 0.0f;  // computed, never stored
    int64_t col = 0;
    for (; col + 2 * Vec::kLanes <= a.v_dim; col += 2 * Vec::kLanes) {
      add_values<2>(a, b, v, scratch, stride, factor, col);
    }
    for (; col < a.v_dim; col += Vec::kLanes) add_values<1>(a, b, v, scratch, stride, factor, col);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
