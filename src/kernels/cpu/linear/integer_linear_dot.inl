#pragma once
// Weights packed as INT8 or INT4 times activations quantised to INT8, in exact integer sums.
//
// A 64-byte register of weights is multiplied with the codes of the activations into 16 sums of 32
// bits; each sum belongs to one group, so the scales are applied lane by lane and lanes are added
// at the very end. Invariant: y[t, o] is 16 sums that add the units of K in rising order, whatever
// the tile.
#include "kernels/api/packed.h"
#include "kernels/cpu/isa/dot_int8.h"
#include "kernels/cpu/linear/integer_activations.inl"
#include "kernels/cpu/quantize/group_scales.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int64_t kUnitHeader = 128;  // scale[16], start[16]

/// What a unit of K is, for one kind of weights.
template <int kBits, int kGroup>
struct Unit {
  static constexpr int64_t kCodes = packed_unit_codes(kBits, kGroup);
  static constexpr int64_t kBytes = kUnitHeader + kCodes;      // of activations
  static constexpr int64_t kWeightBytes = kCodes * kBits / 8;  // of weights
  static constexpr int kParts = kCodes / 64;                   // registers of codes
  static constexpr int kGroups = kCodes / kGroup;
  static constexpr int kGroupLanes = 16 / kGroups;
};

/// Codes, sums and scales of one unit of a row.
template <int kBits, int kGroup>
void quantize_unit(const float* x, int64_t n, uint8_t* out) {
  using U = Unit<kBits, kGroup>;
  float scale[16];
  alignas(64) int8_t in_order[U::kCodes] = {};
  for (int g = 0; g < U::kGroups; ++g) {
    const int64_t first = g * kGroup, count = min(kGroup, n - first);
    const GroupScale s = count > 0 ? group_scale(x + first, count) : GroupScale{0.0f, 0.0f};
    for (int lane = 0; lane < U::kGroupLanes; ++lane) scale[g * U::kGroupLanes + lane] = s.scale;
    for (int64_t i = 0; i < count; i += Vec::kLanes) {
      DotInt8::store_codes(code_of(load_n(x + first + i, count - i), s.inverse),
                           in_order + first + i);
    }
  }
  DotInt8::Acc sum = DotInt8::zero();
#pragma GCC unroll 2
  for (int i = 0; i < U::kParts; ++i) {
    const DotInt8::Codes part =
        kBits == 4 ? DotInt8::every_second(in_order, i == 1) : DotInt8::load(in_order + 64 * i);
    sum = DotInt8::dot(sum, DotInt8::set1(1), part);
    DotInt8::store(part, out + kUnitHeader + 64 * i);
  }
  __builtin_memcpy(out, scale, sizeof scale);
  DotInt8::store(DotInt8::times_minus_power(sum, kBits - 1), out + 64);
}

template <int kBits, int kGroup>
void quantize_rows_of(const QuantizeGroupsArgs& a, int64_t begin, int64_t end) {
  using U = Unit<kBits, kGroup>;
  for (int64_t row = begin; row < end; ++row) {
    const float* x = a.x + row * a.x_stride;
    uint8_t* out = static_cast<uint8_t*>(a.out) + row * a.out_stride;
    for (int64_t i = 0; i < a.cols; i += U::kCodes, out += U::kBytes) {
      quantize_unit<kBits, kGroup>(x + i, min(U::kCodes, a.cols - i), out);
    }
  }
}

/// The weights of one unit as registers of unsigned codes, in the order of the activations' codes.
/// `bytes`: how many lie there; codes beyond them are 0, and so are the activations'.
template <int kBits, int kGroup>
[[gnu::always_inline]] inline void load_weights(const uint8_t* p, int64_t bytes,
                                                DotInt8::Codes (&w)[Unit<kBits, kGroup>::kParts]) {
  using U = Unit<kBits, kGroup>;
  const bool whole = bytes >= U::kWeightBytes;
  if constexpr (kBits == 4) {
    const DotInt8::Codes pairs = whole ? DotInt8::load(p) : DotInt8::load_partial(p, bytes);
    w[0] = DotInt8::low_nibbles(pairs);
    w[1] = DotInt8::high_nibbles(pairs);
  } else {
#pragma GCC unroll 2
    for (int i = 0; i < U::kParts; ++i) {
      w[i] = whole ? DotInt8::load(p + 64 * i) : DotInt8::load_partial(p + 64 * i, bytes - 64 * i);
    }
  }
}

/// One kind of weights: their codes, and how their groups' scales are stored.
template <int kBits, int kGroup, ScaleType kType, bool kMinima = false>
struct Kind {
  using U = Unit<kBits, kGroup>;
  static constexpr int kCodeBits = kBits, kColumns = kGroup;
  static constexpr bool kF16 = kType == ScaleType::kF16, kHasMinima = kMinima;
};

template <class K, int R, int T>
struct PackedTile {
  using U = typename K::U;
  const PackedLinearArgs& a;
  const uint8_t* x;
  const uint8_t* w;
  GroupScales scales;  // from the tile's first row on
  Vec acc[R][T];

  /// `of`: data or minima of the scales.
  [[gnu::always_inline]] inline Vec spread(const uint16_t* of, int r, int64_t u,
                                           int64_t groups) const {
    return DotInt8::spread_scales<U::kGroups, K::kF16>(of + r * scales.stride + u * U::kGroups,
                                                       groups);
  }

  [[gnu::always_inline]] inline void unit(int64_t u, int64_t weight_bytes, int64_t groups) {
    DotInt8::Codes codes[R][U::kParts];
    Vec w_scale[R], w_minimum[R];
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r) {
      const uint8_t* row = w + r * a.w_stride + u * U::kWeightBytes;
      load_weights<K::kCodeBits, K::kColumns>(row, weight_bytes, codes[r]);
      // The hardware's prefetcher stops at the end of each row of a tile, and on some machines runs
      // too little ahead of a single row: half of the memory's speed was measured without this.
      const uint8_t* soon = row + (R > 1 ? R * a.w_stride : kPrefetchBytes);
      __builtin_prefetch(soon);
      if constexpr (U::kWeightBytes > 64) __builtin_prefetch(soon + 64);
      w_scale[r] = spread(scales.data, r, u, groups);
      if constexpr (K::kHasMinima) w_minimum[r] = spread(scales.minima, r, u, groups);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      const uint8_t* at = x + t * a.x_stride + u * U::kBytes;
      const Vec x_scale = Vec::load(reinterpret_cast<const float*>(at));
      const DotInt8::Acc start = DotInt8::load_acc(at + 64);
      const Vec x_sum = sum_of_codes(start) * x_scale;
#pragma GCC unroll 4
      for (int r = 0; r < R; ++r) {
        DotInt8::Acc sum = K::kHasMinima ? DotInt8::zero() : start;
#pragma GCC unroll 2
        for (int i = 0; i < U::kParts; ++i) {
          sum = DotInt8::dot(sum, codes[r][i], DotInt8::load(at + kUnitHeader + 64 * i));
        }
        acc[r][t] = fma(to_f32(sum), w_scale[r] * x_scale, acc[r][t]);
        if constexpr (K::kHasMinima) acc[r][t] = fma(x_sum, w_minimum[r], acc[r][t]);
      }
    }
  }

  /// What `start` is -2^(bits-1) times of.
  static Vec sum_of_codes(DotInt8::Acc start) {
    return to_f32(start) * Vec::set1(-1.0f / (1 << (K::kCodeBits - 1)));
  }

  [[gnu::always_inline]] inline void run(float* y) {
#pragma GCC unroll 32
    for (int i = 0; i < R * T; ++i) acc[i / T][i % T] = Vec::zero();
    const int64_t units = a.in / U::kCodes, left = a.in - units * U::kCodes;
    for (int64_t u = 0; u < units; ++u) unit(u, U::kWeightBytes, U::kGroups);
    if (left > 0) {
      unit(units, (left * K::kCodeBits + 31) / 32 * 4, (left + K::kColumns - 1) / K::kColumns);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      if constexpr (R == 4) {
        reduce_add4(acc[0][t], acc[1][t], acc[2][t], acc[3][t], y + t * a.y_stride);
      } else {
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) y[t * a.y_stride + r] = reduce_add(acc[r][t]);
      }
    }
  }
};

template <class K, int R, int T>
void packed_tile(const PackedLinearArgs& a, int64_t row, int64_t token) {
  PackedTile<K, R, T> tile{
      a, a.x + token * a.x_stride, a.w + row * a.w_stride, scales_from(a.scales, row), {}};
  tile.run(a.y + token * a.y_stride + row);
}

/// All tokens of R rows, so that weights beyond the first tile come from the first-level cache.
template <class K, int R>
void packed_row_tiles(const PackedLinearArgs& a, int64_t row) {
  int64_t t = 0;
  for (; t + 4 <= a.tokens; t += 4) packed_tile<K, R, 4>(a, row, t);
  for (; t + 2 <= a.tokens; t += 2) packed_tile<K, R, 2>(a, row, t);
  if (t < a.tokens) packed_tile<K, R, 1>(a, row, t);
}

template <class K>
void packed_rows_of(const PackedLinearArgs& a, int64_t begin, int64_t end) {
  int64_t row = begin;
  // One token is bound by reading: row after row is one stream, which the hardware fetches at up to
  // twice the speed of four beside each other (measured on Zen 4).
  const int64_t tiled_end = a.tokens == 1 ? begin : end;
  for (; row + 4 <= tiled_end; row += 4) packed_row_tiles<K, 4>(a, row);
  for (; row < end; ++row) packed_row_tiles<K, 1>(a, row);
}

template <ScaleType kType>
void packed_rows_scaled(const PackedLinearArgs& a, int64_t begin, int64_t end) {
  const bool short_groups = a.scales.group == 32;
  if (a.bits == 4) {
    return short_groups ? packed_rows_of<Kind<4, 32, kType>>(a, begin, end)
                        : packed_rows_of<Kind<4, 128, kType>>(a, begin, end);
  }
  short_groups ? packed_rows_of<Kind<8, 32, kType>>(a, begin, end)
               : packed_rows_of<Kind<8, 128, kType>>(a, begin, end);
}

void integer_linear_rows(const PackedLinearArgs& a, int64_t begin, int64_t end) {
  const bool f16 = a.scales.type == ScaleType::kF16;
  if (a.scales.minima != nullptr) {
    return f16 ? packed_rows_of<Kind<4, 32, ScaleType::kF16, true>>(a, begin, end)
               : packed_rows_of<Kind<4, 32, ScaleType::kBf16, true>>(a, begin, end);
  }
  f16 ? packed_rows_scaled<ScaleType::kF16>(a, begin, end)
      : packed_rows_scaled<ScaleType::kBf16>(a, begin, end);
}

void quantize_group_rows(const QuantizeGroupsArgs& a, int64_t begin, int64_t end) {
  if (a.bits == 4) {
    a.group == 32 ? quantize_rows_of<4, 32>(a, begin, end)
                  : quantize_rows_of<4, 128>(a, begin, end);
  } else {
    a.group == 32 ? quantize_rows_of<8, 32>(a, begin, end)
                  : quantize_rows_of<8, 128>(a, begin, end);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
