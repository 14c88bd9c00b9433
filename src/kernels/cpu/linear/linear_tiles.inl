#pragma once
// Register tiles of y = x w^T. Weights and x both lie along `in`, so K runs in the vector lanes: a
// tile of R weight rows and T tokens holds R*T accumulators, and lanes are summed at the end.
#include "kernels/api/linear.h"
#include "kernels/cpu/isa/vec_functions.inl"

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

/// Tokens of a tile whose weights are multiplied as they come from memory.
constexpr int kDirectTileTokens = 4;

/// Up to this many tokens the weights are multiplied as they come from memory; those of later tiles
/// come from the first-level cache. For more a group of rows is first decoded into scratch, in the
/// form that Dot multiplies. Weights that lie in that form are never decoded, and E4M3 to BF16 is
/// cheap enough to do twice.
template <class Dot, typename Stored>
constexpr int64_t direct_tokens() {
  using X = typename Dot::X;
  if (sizeof(Stored) == sizeof(X)) return INT64_MAX;
  return sizeof(X) == 2 ? 2 * kDirectTileTokens : kDirectTileTokens;
}

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
  int64_t begin, end;  // columns of this chunk
  Vec* sums;           // accumulators between chunks, a tile after the other; unused with one chunk
};

template <class Dot, typename Stored>
inline typename Dot::Operand load_step(const Stored* p, int64_t n) {
  if (n >= Dot::kStep) return Dot::load(p);
  Stored buffer[Dot::kStep];
  for (int i = 0; i < Dot::kStep; ++i) buffer[i] = i < n ? p[i] : Stored{};
  return Dot::load(buffer);
}

/// Few tokens: memory is the limit, and the hardware's prefetcher stops at the end of a short row
/// and on some machines runs too little ahead of a long one. The same columns of the next tile's
/// rows are where reading goes on, or what comes next in the row.
template <class Dot, typename Stored>
inline void prefetch_step(const Stored* p) {
  constexpr int64_t kBytes = Dot::kStep * static_cast<int64_t>(sizeof(Stored));
  for (int64_t b = 0; b < kBytes; b += 64) __builtin_prefetch(reinterpret_cast<const char*>(p) + b);
}

// The pragmas make GCC unroll before it decides what lives in registers; without them the
// accumulators go through the stack at both ends of a tile.

/// acc[r][t] += sum over [begin, end) of w[r, i] x[t, i]; the last step may be partial.
template <class Dot, typename Stored, bool kDirect, int R, int T>
[[gnu::always_inline]] inline void dot_span(const TileArgs<Dot, Stored>& a, int64_t begin,
                                            int64_t end, Vec (&acc)[R][T]) {
  constexpr int64_t kAhead = kPrefetchBytes / static_cast<int64_t>(sizeof(Stored));
  int64_t i = begin;
  for (; i + Dot::kStep <= end; i += Dot::kStep) {
    typename Dot::Operand w[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      w[r] = Dot::load(a.w + r * a.w_stride + i);
      if constexpr (kDirect) {
        prefetch_step<Dot>(a.w + r * a.w_stride + i + (R > 1 ? R * a.w_stride : kAhead));
      }
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const typename Dot::Operand x = Dot::load(a.x + t * a.x_stride + i);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) acc[r][t] = Dot::accumulate(acc[r][t], w[r], x);
    }
  }
  if (i == end) return;
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const typename Dot::Operand x = load_step<Dot>(a.x + t * a.x_stride + i, end - i);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      acc[r][t] = Dot::accumulate(acc[r][t], load_step<Dot>(a.w + r * a.w_stride + i, end - i), x);
    }
  }
}

template <int R, int T>
[[gnu::always_inline]] inline void set_zero(Vec (&total)[R][T]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * T; ++i) total[i / T][i % T] = Vec::zero();
}

/// One chunk of columns of R x T results.
template <class Dot, typename Stored, bool kScaled, bool kDirect, int R, int T>
void linear_tile(const TileArgs<Dot, Stored>& a) {
  Vec total[R][T];
  set_zero(total);
  if (a.begin > 0) {
#pragma GCC unroll 32
    for (int i = 0; i < R * T; ++i) total[i / T][i % T] = a.sums[i];
  }
  if constexpr (!kScaled) {
    dot_span<Dot, Stored, kDirect, R, T>(a, a.begin, a.end, total);
  } else {
    for (int64_t i = a.begin; i < a.end; i += kScaleBlock) {
      Vec acc[R][T];
      set_zero(acc);
      dot_span<Dot, Stored, kDirect, R, T>(a, i, min(a.end, i + kScaleBlock), acc);
      const int64_t block = i / kScaleBlock;
#pragma GCC unroll 8
      for (int t = 0; t < T; ++t) {
        const float x_scale = a.x_scale != nullptr ? a.x_scale[t * a.x_scale_stride + block] : 1.0f;
        const Vec scale = Vec::set1(x_scale * a.w_scale[block]);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) total[r][t] = fma(acc[r][t], scale, total[r][t]);
      }
    }
  }
  if (a.end < a.in) {
#pragma GCC unroll 32
    for (int i = 0; i < R * T; ++i) a.sums[i] = total[i / T][i % T];
    return;
  }
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    float* y = a.y + t * a.y_stride;
    if constexpr (R == 4) {
      reduce_add4(total[0][t], total[1][t], total[2][t], total[3][t], y);
    } else {
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) y[r] = reduce_add(total[r][t]);
    }
  }
}

/// Weights that will be needed soon, fetched a few lines at a time between tiles: all at once would
/// fill the queues that the tiles' own loads need.
struct Ahead {
  const char* at;
  const char* end;
  int64_t lines_a_tile;

  void fetch() {
    for (int64_t i = 0; i < lines_a_tile && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

/// `rows` rows of weights x T tokens, in tiles of at most R rows. Returns the sums after its own.
template <class Dot, typename Stored, bool kScaled, bool kDirect, int R, int T>
Vec* linear_row_tiles(TileArgs<Dot, Stored> a, int64_t rows) {
  for (; rows >= R; rows -= R, a.w += R * a.w_stride, a.y += R, a.sums += R * T) {
    linear_tile<Dot, Stored, kScaled, kDirect, R, T>(a);
  }
  for (; rows > 0; --rows, a.w += a.w_stride, ++a.y, a.sums += T) {
    linear_tile<Dot, Stored, kScaled, kDirect, 1, T>(a);
  }
  return a.sums;
}

/// A chunk of columns of a group of weight rows x `tokens` tokens.
template <class Dot, typename Stored, bool kScaled, bool kDirect>
void linear_group_chunk(TileArgs<Dot, Stored> a, int64_t rows, int64_t tokens, Ahead& ahead) {
  constexpr bool kDecodes = kDirect && kScaled;
  constexpr int kRows = kDecodes  ? Vec::kDirectScaledTileRows
                        : kScaled ? Vec::kScaledTileRows
                                  : Vec::kTileRows;
  constexpr int kFull = kDecodes  ? Vec::kDirectScaledTileTokens
                        : kScaled ? Vec::kScaledTileTokens
                                  : Vec::kTileTokens;
  constexpr int kTokens = kDirect && kFull > kDirectTileTokens ? kDirectTileTokens : kFull;
  const auto advance = [&a](int64_t count) {
    a.x += count * a.x_stride;
    a.y += count * a.y_stride;
    if (a.x_scale != nullptr) a.x_scale += count * a.x_scale_stride;
  };
  for (; tokens >= kTokens; tokens -= kTokens, advance(kTokens)) {
    ahead.fetch();
    a.sums = linear_row_tiles<Dot, Stored, kScaled, kDirect, kRows, kTokens>(a, rows);
  }
  if constexpr (kDirect && kTokens > 3) {
    if (tokens == 3) {
      linear_row_tiles<Dot, Stored, kScaled, kDirect, kRows, 3>(a, rows);
      return;
    }
  }
  if constexpr (kTokens > 2) {
    for (; tokens >= 2; tokens -= 2, advance(2)) {
      a.sums = linear_row_tiles<Dot, Stored, kScaled, kDirect, kRows, 2>(a, rows);
    }
  }
  // One token straight from memory is bound by reading: row after row is one stream, which the
  // hardware fetches at up to twice the speed of four beside each other (measured on Zen 4).
  if (tokens == 1) linear_row_tiles<Dot, Stored, kScaled, kDirect, kDirect ? 1 : 4, 1>(a, rows);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
