// Absorbed MLA straight from a BF16 cache. Heads are the lanes: a cached row is broadcast pair by
// pair and meets 16 heads at once, so the cache is neither converted nor turned.
//
// Invariant: a query's result is a sum over its own chunks and keys in rising order; no other query
// and no thread changes it.
namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kLatentLanes = static_cast<int>(kLatentHeads);

/// 16 heads x 16 numbers from column `col`, turned: rows[i] holds number col + i of every head;
/// heads and numbers that are not there are 0.
inline void load_turned(const float* q, int64_t head_stride, int64_t heads, int64_t cols,
                        int64_t col, Vec (&rows)[16]) {
  for (int h = 0; h < kLatentLanes; ++h) {
    rows[h] = h < heads ? load_n(q + h * head_stride + col, cols - col) : Vec::zero();
  }
  transpose(rows);
}

/// The queries of blocks [begin, end) as panels [(rank + rope) / 2][16][2] in BF16.
void pack_latent_queries(const LatentAttentionArgs& a, int64_t begin, int64_t end) {
  const int64_t width = a.rank + a.rope;
  for (int64_t unit = begin; unit < end; ++unit) {
    const int64_t token = unit / a.blocks, head = unit % a.blocks * kLatentHeads;
    const int64_t heads = smaller(kLatentHeads, a.heads - head);
    uint16_t* panel = a.panels + unit * width * kLatentHeads;
    const auto pack = [&](const float* q, int64_t head_stride, int64_t cols, uint16_t* out) {
      for (int64_t col = 0; col < cols; col += 16) {
        Vec rows[16];
        load_turned(q, head_stride, heads, cols, col, rows);
        for (int i = 0; i < 16 && col + i < cols; i += 2) {
          PanelBf16::store_step(rows[i], rows[i + 1], out + (col + i) * kLatentHeads);
        }
      }
    };
    pack(a.q_latent + token * a.q_latent_row + head * a.q_latent_head, a.q_latent_head, a.rank,
         panel);
    pack(a.q_rope + token * a.q_rope_row + head * a.q_rope_head, a.q_rope_head, a.rope,
         panel + a.rank * kLatentHeads);
  }
}

/// scores[k][head] = scale * q . row k for K rows.
template <int K>
[[gnu::always_inline]] inline void score_rows(const uint16_t* rows, int64_t width,
                                              const uint16_t* panel, float scale, float* scores) {
  Vec acc[K];
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) acc[k] = Vec::zero();
  for (int64_t i = 0; i < width; i += 2) {
    const __m512i q = PanelBf16::load(panel + i * kLatentHeads);
#pragma GCC unroll 16
    for (int k = 0; k < K; ++k) {
      acc[k] = PanelBf16::accumulate(acc[k], q, PanelBf16::broadcast(rows + k * width + i));
    }
  }
#pragma GCC unroll 16
  for (int k = 0; k < K; ++k) (acc[k] * Vec::set1(scale)).store(scores + k * kLatentHeads);
}

/// weights = exp(score - max) rounded to BF16, in pairs of keys; an odd last key gets a partner of
/// weight 0. Returns max and the sum of the rounded weights.
inline void soften_chunk(const float* scores, int64_t keys, uint16_t* weights, Vec* max_out,
                         Vec* sum_out) {
  Vec most = Vec::load(scores);
  for (int64_t k = 1; k < keys; ++k) most = max(Vec::load(scores + k * kLatentHeads), most);
  Vec sum = Vec::zero();
  for (int64_t k = 0; k < keys; k += 2) {
    Vec pair[2];
    for (int i = 0; i < 2; ++i) {
      if (k + i >= keys) {
        pair[i] = Vec::zero();
        continue;
      }
      uint16_t rounded[kLatentLanes];
      exp(Vec::load(scores + (k + i) * kLatentHeads) - most).store_bf16(rounded);
      pair[i] = Vec::load_bf16(rounded);
      sum = sum + pair[i];
    }
    PanelBf16::store_step(pair[0], pair[1], weights + k * kLatentHeads);
  }
  *max_out = most;
  *sum_out = sum;
}

/// 32 columns of H heads: out[h] = sum over keys of weight * row. `zeros`: 32 columns of a row that
/// stands for the partner of an odd last key.
template <int H>
[[gnu::always_inline]] inline void weigh_columns(const uint16_t* rows, int64_t width, int64_t keys,
                                                 const uint16_t* weights, float* out,
                                                 int64_t rank) {
  Vec low[H], high[H];
#pragma GCC unroll 16
  for (int h = 0; h < H; ++h) low[h] = high[h] = Vec::zero();
  for (int64_t k = 0; k < keys; k += 2) {
    const __m512i first = _mm512_loadu_si512(rows + k * width);
    const __m512i second =
        k + 1 < keys ? _mm512_loadu_si512(rows + (k + 1) * width) : _mm512_setzero_si512();
    // Pairs of the two keys: columns 0-3 8-11 16-19 24-27, and 4-7 12-15 20-23 28-31.
    const __m512i lower = _mm512_unpacklo_epi16(first, second);
    const __m512i upper = _mm512_unpackhi_epi16(first, second);
#pragma GCC unroll 16
    for (int h = 0; h < H; ++h) {
      const __m512i weight = PanelBf16::broadcast(weights + k * kLatentHeads + 2 * h);
      low[h] = PanelBf16::accumulate(low[h], weight, lower);
      high[h] = PanelBf16::accumulate(high[h], weight, upper);
    }
  }
#pragma GCC unroll 16
  for (int h = 0; h < H; ++h) {
    const __m512 even = _mm512_shuffle_f32x4(low[h].v, high[h].v, 0x44);  // 0 8 | 4 12
    const __m512 odd = _mm512_shuffle_f32x4(low[h].v, high[h].v, 0xee);   // 16 24 | 20 28
    Vec{_mm512_shuffle_f32x4(even, even, 0xd8)}.store(out + h * rank);
    Vec{_mm512_shuffle_f32x4(odd, odd, 0xd8)}.store(out + h * rank + 16);
  }
}

/// One chunk of keys for one block of heads.
void latent_chunk(const LatentAttentionArgs& a, const uint16_t* rows, int64_t keys,
                  const uint16_t* panel, float* partial, void* scratch) {
  const int64_t width = a.rank + a.rope;
  float* scores = static_cast<float*>(scratch);
  uint16_t* weights = reinterpret_cast<uint16_t*>(scores + kLatentChunkKeys * kLatentHeads);
  int64_t k = 0;
  for (; k + 12 <= keys; k += 12) {
    score_rows<12>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
  for (; k + 4 <= keys; k += 4) {
    score_rows<4>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
  for (; k < keys; ++k) {
    score_rows<1>(rows + k * width, width, panel, a.scale, scores + k * kLatentHeads);
  }
  Vec most, sum;
  soften_chunk(scores, keys, weights, &most, &sum);
  most.store(partial);
  sum.store(partial + kLatentHeads);
  float* out = partial + 2 * kLatentHeads;
  for (int64_t col = 0; col < a.rank; col += 32) {
    weigh_columns<8>(rows + col, width, keys, weights, out + col, a.rank);
    weigh_columns<8>(rows + col, width, keys, weights + 16, out + 8 * a.rank + col, a.rank);
  }
}

/// Chunks [begin, end) of those at hand, each for every block that sees any of its keys.
void latent_attention_chunks(const LatentAttentionArgs& a, int64_t begin, int64_t end,
                             void* scratch) {
  const int64_t width = a.rank + a.rope;
  for (int64_t chunk = begin; chunk < end; ++chunk) {
    const int64_t first = (a.first_chunk + chunk) * kLatentChunkKeys;
    for (int64_t unit = 0; unit < a.tokens * a.blocks; ++unit) {
      const int64_t visible = a.positions[unit / a.blocks] + 1 - first;
      const int64_t keys = smaller(smaller(kLatentChunkKeys, a.keys - first), visible);
      if (keys <= 0) continue;
      float* partial =
          a.partials + (chunk * a.tokens * a.blocks + unit) * latent_partial_floats(a.rank);
      latent_chunk(a, a.cache + first * width, keys, a.panels + unit * width * kLatentHeads,
                   partial, scratch);
    }
  }
}

/// Folds one chunk's part of a head into the running softmax (Milakov & Gimelshein 2018).
inline void fold_chunk(const float* partial, int64_t lane, int64_t rank, bool is_first,
                       float* state, float* out) {
  const float chunk_max = partial[lane], chunk_sum = partial[kLatentHeads + lane];
  const float before = is_first ? chunk_max : state[0];
  const float most = chunk_max > before ? chunk_max : before;
  const float keep = exp1(before - most), add = exp1(chunk_max - most);
  state[0] = most;
  state[1] = (is_first ? 0.0f : state[1] * keep) + chunk_sum * add;
  const float* latent = partial + 2 * kLatentHeads + lane * rank;
  const Vec keep_all = Vec::set1(keep), add_all = Vec::set1(add);
  for (int64_t i = 0; i < rank; i += Vec::kLanes) {
    const Vec old = is_first ? Vec::zero() : Vec::load(out + i) * keep_all;
    fma(Vec::load(latent + i), add_all, old).store(out + i);
  }
}

/// The chunks at hand into rows [begin, end) of [tokens * heads]; divides by the sum after a row's
/// last.
void latent_attention_fold(const LatentAttentionArgs& a, int64_t begin, int64_t end) {
  const int64_t floats = latent_partial_floats(a.rank), step = a.tokens * a.blocks * floats;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t token = row / a.heads, head = row % a.heads;
    const int64_t unit = token * a.blocks + head / kLatentHeads, lane = head % kLatentHeads;
    const int64_t last = a.positions[token] / kLatentChunkKeys;  // chunk of the query itself
    float* out = a.out + token * a.out_row + head * a.out_head;
    float* state = a.state + 2 * row;
    for (int64_t c = 0; c < a.chunks && a.first_chunk + c <= last; ++c) {
      fold_chunk(a.partials + c * step + unit * floats, lane, a.rank, a.first_chunk + c == 0, state,
                 out);
      if (a.first_chunk + c < last) continue;
      const Vec inverse = Vec::set1(1.0f / state[1]);
      for (int64_t i = 0; i < a.rank; i += Vec::kLanes) {
        (Vec::load(out + i) * inverse).store(out + i);
      }
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
