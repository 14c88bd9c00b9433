#pragma once
// y = x w: lanes run along `in`, each y[t, i] is summed over o in rising order by itself, so the
// result does not depend on tiles, threads or other tokens.
#include "kernels/api/linear.h"
#include "kernels/cpu/isa/vec_functions.inl"
#include "kernels/cpu/quantize/integer_rows.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// How rows of one stored type are read: column `col` on, of which `n` are left.
template <typename Stored>
struct StoredLoader {
  const LinearTransposedArgs& a;

  Vec load(int64_t o, int64_t col, int64_t n) const {
    const Vec v = load_stored_n(static_cast<const Stored*>(a.w) + o * a.in + col, n);
    if constexpr (sizeof(Stored) > 1) {
      return v;
    } else {  // a vector never straddles a block: kLanes divides 128
      const float* scale = a.w_scale + (a.w_row_offset + o) / kScaleBlock * a.w_scale_stride;
      return v * Vec::set1(scale[col / kScaleBlock]);
    }
  }
  void prefetch(int64_t o, int64_t col) const {
    __builtin_prefetch(static_cast<const Stored*>(a.w) + o * a.in + col);
  }
};
template <int kBits>
struct PackedLoader {
  const LinearTransposedArgs& a;

  Vec load(int64_t o, int64_t col, int64_t n) const {
    return load_packed_n<kBits>(packed_row<kBits>(a.w, a.w_groups, a.in, o), col, n);
  }
  void prefetch(int64_t, int64_t) const {}
};

/// Columns [col, col + C vectors) of T tokens; `n` columns are left (C = 1 may be partial).
template <class Loader, int T, int C>
void transposed_tile(const LinearTransposedArgs& a, int64_t token, int64_t col, int64_t n) {
  const Loader w{a};
  const float* x = a.x + token * a.x_stride;
  Vec acc[T][C];
  for (int t = 0; t < T; ++t) {
    for (int c = 0; c < C; ++c) acc[t][c] = Vec::zero();
  }
  for (int64_t o = 0; o < a.out; ++o) {
    Vec row[C];
    for (int c = 0; c < C; ++c) {
      row[c] = w.load(o, col + c * Vec::kLanes, C == 1 ? n : Vec::kLanes);
    }
    if constexpr (T == 1 && C > 1) w.prefetch(o, col + C * Vec::kLanes);
    for (int t = 0; t < T; ++t) {
      const Vec xo = Vec::set1(x[t * a.x_stride + o]);
      for (int c = 0; c < C; ++c) acc[t][c] = fma(xo, row[c], acc[t][c]);
    }
  }
  for (int t = 0; t < T; ++t) {
    float* y = a.y + (token + t) * a.y_stride + col;
    for (int c = 0; c < C; ++c) store_n(acc[t][c], y + c * Vec::kLanes, n - c * Vec::kLanes);
  }
}

template <class Loader>
void transposed_cols(const LinearTransposedArgs& a, int64_t begin, int64_t end) {
  constexpr int kTokens = Vec::kTileTokens;
  constexpr int64_t kWide = 4 * Vec::kLanes;
  for (int64_t col = begin, step; col < end; col += step) {
    const bool wide = col + kWide <= end;
    step = wide ? kWide : Vec::kLanes;
    int64_t t = 0;
    for (; t + kTokens <= a.tokens; t += kTokens) {
      wide ? transposed_tile<Loader, kTokens, 4>(a, t, col, end - col)
           : transposed_tile<Loader, kTokens, 1>(a, t, col, end - col);
    }
    for (; t < a.tokens; ++t) {
      wide ? transposed_tile<Loader, 1, 4>(a, t, col, end - col)
           : transposed_tile<Loader, 1, 1>(a, t, col, end - col);
    }
  }
}

void linear_transposed_cols(const LinearTransposedArgs& a, int64_t begin, int64_t end) {
  switch (a.w_type) {
    case WeightType::kF32:
      return transposed_cols<StoredLoader<float>>(a, begin, end);
    case WeightType::kBf16:
      return transposed_cols<StoredLoader<uint16_t>>(a, begin, end);
    case WeightType::kFp8E4m3:
      return transposed_cols<StoredLoader<uint8_t>>(a, begin, end);
    case WeightType::kInt8:
      return transposed_cols<PackedLoader<8>>(a, begin, end);
    case WeightType::kInt4:
      return transposed_cols<PackedLoader<4>>(a, begin, end);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
