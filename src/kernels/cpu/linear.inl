// y = x w^T. Weights and x both lie along `in`, so K runs in the vector lanes: a tile of R weight rows
// and T tokens holds R*T accumulators, and lanes are summed at the end.
//
// Invariant: y[t, o] is one accumulator that meets its K steps in rising order (with scales: one for
// each block of 128 and one for the total), whatever the tile, the token block and the thread. So the
// result for a token does not depend on the batch, and not on where the weights were decoded.
namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// f32 arithmetic: a K step is one vector.
struct DotF32 {
  using X = float;
  using Operand = Vec;
  static constexpr int kStep = Vec::kLanes;
  template <typename Stored>
  static Operand load(const Stored* p) {
    return load_stored(p);
  }
  static void store(Operand v, float* p) { v.store(p); }
  static Vec accumulate(Vec acc, Operand w, Operand x) { return fma(w, x, acc); }
};

/// Rows of weights worked on together. With many tokens they are decoded once into scratch.
constexpr int64_t kGroupRows = kLinearRowGrain;
/// More tokens than this make decoding into scratch pay.
constexpr int64_t kDirectTokens = 4;
/// Bytes of x that one pass over the weights keeps in the second-level cache.
constexpr int64_t kTokenBlockBytes = 512 * 1024;

template <class Dot, typename Stored>
struct TileArgs {
  const typename Dot::X* x;
  int64_t x_stride;
  const float* x_scale;  // nullptr: 1
  int64_t x_scale_stride;
  const Stored* w;
  int64_t w_stride;
  const float* w_scale;  // of this row of blocks
  float* y;
  int64_t y_stride;
  int64_t in;
};

template <class Dot, typename Stored>
inline typename Dot::Operand load_step(const Stored* p, int64_t n) {
  if (n >= Dot::kStep) return Dot::load(p);
  Stored buffer[Dot::kStep];
  for (int i = 0; i < Dot::kStep; ++i) buffer[i] = i < n ? p[i] : Stored{};
  return Dot::load(buffer);
}

/// acc[r, t] += sum over [begin, end) of w[r, i] x[t, i]; the last step may be partial.
template <class Dot, typename Stored, int R, int T>
[[gnu::always_inline]] inline void dot_span(const TileArgs<Dot, Stored>& a, int64_t begin,
                                            int64_t end, Vec (&acc)[R][T]) {
  int64_t i = begin;
  for (; i + Dot::kStep <= end; i += Dot::kStep) {
    typename Dot::Operand w[R];
    for (int r = 0; r < R; ++r) w[r] = Dot::load(a.w + r * a.w_stride + i);
    for (int t = 0; t < T; ++t) {
      const typename Dot::Operand x = Dot::load(a.x + t * a.x_stride + i);
      for (int r = 0; r < R; ++r) acc[r][t] = Dot::accumulate(acc[r][t], w[r], x);
    }
  }
  if (i == end) return;
  for (int t = 0; t < T; ++t) {
    const typename Dot::Operand x = load_step<Dot>(a.x + t * a.x_stride + i, end - i);
    for (int r = 0; r < R; ++r) {
      acc[r][t] =
          Dot::accumulate(acc[r][t], load_step<Dot>(a.w + r * a.w_stride + i, end - i), x);
    }
  }
}

template <class Dot, typename Stored, bool kScaled, int R, int T>
void linear_tile(const TileArgs<Dot, Stored>& a) {
  Vec total[R][T];
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) total[r][t] = Vec::zero();
  }
  if constexpr (!kScaled) {
    dot_span<Dot, Stored, R, T>(a, 0, a.in, total);
  } else {
    for (int64_t i = 0, block = 0; i < a.in; i += kScaleBlock, ++block) {
      Vec acc[R][T];
      for (int r = 0; r < R; ++r) {
        for (int t = 0; t < T; ++t) acc[r][t] = Vec::zero();
      }
      dot_span<Dot, Stored, R, T>(a, i, smaller(a.in, i + kScaleBlock), acc);
      for (int t = 0; t < T; ++t) {
        const float x_scale = a.x_scale != nullptr ? a.x_scale[t * a.x_scale_stride + block] : 1.0f;
        const Vec scale = Vec::set1(x_scale * a.w_scale[block]);
        for (int r = 0; r < R; ++r) total[r][t] = fma(acc[r][t], scale, total[r][t]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) a.y[t * a.y_stride + r] = reduce_add(total[r][t]);
  }
}

/// `rows` rows of weights x T tokens, in tiles of at most R rows.
template <class Dot, typename Stored, bool kScaled, int R, int T>
void linear_row_tiles(TileArgs<Dot, Stored> a, int64_t rows) {
  for (; rows >= R; rows -= R, a.w += R * a.w_stride, a.y += R) {
    linear_tile<Dot, Stored, kScaled, R, T>(a);
  }
  for (; rows > 0; --rows, a.w += a.w_stride, ++a.y) linear_tile<Dot, Stored, kScaled, 1, T>(a);
}

/// A group of weight rows x `tokens` tokens.
template <class Dot, typename Stored, bool kScaled>
void linear_group(TileArgs<Dot, Stored> a, int64_t rows, int64_t tokens) {
  constexpr int kRows = kScaled ? Vec::kScaledTileRows : Vec::kTileRows;
  constexpr int kTokens = kScaled ? Vec::kScaledTileTokens : Vec::kTileTokens;
  const auto advance = [&a](int64_t count) {
    a.x += count * a.x_stride;
    a.y += count * a.y_stride;
    if (a.x_scale != nullptr) a.x_scale += count * a.x_scale_stride;
  };
  for (; tokens >= kTokens; tokens -= kTokens, advance(kTokens)) {
    linear_row_tiles<Dot, Stored, kScaled, kRows, kTokens>(a, rows);
  }
  for (; tokens >= 2; tokens -= 2, advance(2)) {
    linear_row_tiles<Dot, Stored, kScaled, kRows, 2>(a, rows);
  }
  if (tokens == 1) linear_row_tiles<Dot, Stored, kScaled, 4, 1>(a, rows);
}

inline int64_t padded(int64_t in) { return (in + kScaleBlock - 1) / kScaleBlock * kScaleBlock; }

/// Writes n stored weights in the form that Dot multiplies, zeros up to padded(n).
template <class Dot, typename Stored>
void decode_for_dot(const Stored* w, int64_t n, typename Dot::X* out) {
  int64_t i = 0;
  for (; i < n; i += Dot::kStep) Dot::store(load_step<Dot>(w + i, n - i), out + i);
}

template <class Dot, typename Stored>
constexpr bool kNeedsDecoding = sizeof(typename Dot::X) != sizeof(Stored);

template <class Dot, typename Stored, bool kScaled>
void linear_rows_of(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  using X = typename Dot::X;
  const int64_t fitting = kTokenBlockBytes / (padded(a.in) * static_cast<int64_t>(sizeof(X)));
  const int64_t token_block = fitting < 16 ? 16 : fitting / 4 * 4;
  for (int64_t t0 = 0; t0 < a.tokens; t0 += token_block) {
    const int64_t tokens = smaller(token_block, a.tokens - t0);
    for (int64_t row = begin, rows; row < end; row += rows) {
      rows = smaller(kGroupRows, end - row);
      TileArgs<Dot, Stored> tile{};
      tile.x = static_cast<const X*>(a.x) + t0 * a.x_stride;
      tile.x_stride = a.x_stride;
      tile.w = static_cast<const Stored*>(a.w) + row * a.in;
      tile.w_stride = a.in;
      tile.y = a.y + t0 * a.y_stride + row;
      tile.y_stride = a.y_stride;
      tile.in = a.in;
      if constexpr (kScaled) {  // a group stays within one row of scale blocks
        const int64_t in_block = (a.w_row_offset + row) % kScaleBlock;
        rows = smaller(rows, kScaleBlock - in_block);
        tile.w_scale = a.w_scale + (a.w_row_offset + row) / kScaleBlock * a.w_scale_stride;
        tile.x_scale = a.x_scale == nullptr ? nullptr : a.x_scale + t0 * a.x_scale_stride;
        tile.x_scale_stride = a.x_scale_stride;
      }
      if constexpr (kNeedsDecoding<Dot, Stored>) {
        if (a.tokens > kDirectTokens) {
          X* decoded = static_cast<X*>(scratch);
          for (int64_t r = 0; r < rows; ++r) {
            decode_for_dot<Dot>(tile.w + r * a.in, a.in, decoded + r * padded(a.in));
          }
          const TileArgs<Dot, X> panel{tile.x,       tile.x_stride, tile.x_scale, tile.x_scale_stride,
                                       decoded,      padded(a.in),  tile.w_scale, tile.y,
                                       tile.y_stride, tile.in};
          linear_group<Dot, X, kScaled>(panel, rows, tokens);
          continue;
        }
      }
      linear_group<Dot, Stored, kScaled>(tile, rows, tokens);
    }
  }
}

template <class Dot>
void linear_rows_with(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  switch (a.w_type) {
    case WeightType::kF32:
      if constexpr (sizeof(typename Dot::X) == sizeof(float)) {
        linear_rows_of<Dot, float, false>(a, begin, end, scratch);
      }
      return;
    case WeightType::kBf16:
      return linear_rows_of<Dot, uint16_t, false>(a, begin, end, scratch);
    case WeightType::kFp8E4m3:
      return linear_rows_of<Dot, uint8_t, true>(a, begin, end, scratch);
  }
}

/// Bf16: DotBf16, which says whether this instruction set has it.
template <class Bf16>
void linear_rows(const LinearArgs& a, int64_t begin, int64_t end, void* scratch) {
  if constexpr (Bf16::kAvailable) {
    if (a.x_is_bf16) return linear_rows_with<Bf16>(a, begin, end, scratch);
  }
  linear_rows_with<DotF32>(a, begin, end, scratch);
}

int64_t linear_scratch_bytes(const LinearArgs& a) {
  const bool decodes = a.w_type == WeightType::kFp8E4m3 ||
                       (a.w_type == WeightType::kBf16 && !a.x_is_bf16);
  if (!decodes || a.tokens <= kDirectTokens) return 0;
  return kGroupRows * padded(a.in) * (a.x_is_bf16 ? 2 : 4);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
