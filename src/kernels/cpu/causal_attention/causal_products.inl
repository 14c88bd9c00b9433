#pragma once
// What causal attention multiplies with: small packed tiles that stay in the nearest caches.
//
// Numbers along the summed axis K lie in words of 32 bits: one f32 number, or two BF16 numbers that
// VDPBF16PS multiplies at once. The right operand b [n, K] lies in panels [K words][16], so a
// vector holds 16 results; the left operand a [m, K] is broadcast word by word, so it may lie
// either way, kAlong [m][K words] or kAcross [K words][m]. Each result is one accumulator that
// adds its K words in rising order.
#include "kernels/cpu/isa/dot_bf16.h"
#include "kernels/cpu/quantize/rounding.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int kPanel = 16;  // results of a panel
constexpr int kPanelVectors = kPanel / Vec::kLanes;
constexpr int kRowGroup = 8;  // rows of a in one register tile

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}

/// Words of one f32 number, rounded to BF16 where asked.
template <bool kRounded>
struct F32Words {
  using Word = float;
  using Operand = Vec;
  static constexpr bool kTiles = false;  // of causal_products_amx.inl
  static constexpr int kNumbers = 1;
  /// Rows whose results sum the same words of K.
  static constexpr int64_t kGroup = kRowGroup;
  /// From here on a number is not finite as an operand: it rounds to infinity.
  static constexpr float kLimit = kRounded ? 0x1.ffp127f : __builtin_inff();

  static Vec round(Vec v) { return kRounded ? round_to_bf16(v) : v; }
  static Operand load(const Word* p) { return Vec::load(p); }
  static Operand broadcast(const Word* p) { return Vec::set1(*p); }
  static Vec dot(Vec acc, Operand a, Operand b) { return fma(a, b, acc); }
  /// kLanes numbers that follow each other along K.
  static void store_along(Vec v, Word* p) { round(v).store(p); }
  /// The K steps 2i and 2i + 1 of kLanes rows; `stride` words from one word of K to the next.
  static void store_across(Vec even, Vec odd, Word* p, int64_t stride) {
    round(even).store(p);
    round(odd).store(p + stride);
  }
};

/// Words of two BF16 numbers. Pairs: PanelBf16 of dot_bf16.h.
template <class Pairs>
struct Bf16Words {
  using Word = uint32_t;
  using Operand = typename Pairs::Operand;
  static constexpr bool kTiles = false;
  static constexpr int kNumbers = 2;
  static constexpr int64_t kGroup = kRowGroup;
  static constexpr float kLimit = 0x1.ffp127f;

  static Vec round(Vec v) { return round_to_bf16(v); }
  static Operand load(const Word* p) { return Pairs::load(numbers(p)); }
  static Operand broadcast(const Word* p) { return Pairs::broadcast(numbers(p)); }
  static Vec dot(Vec acc, Operand a, Operand b) { return Pairs::accumulate(acc, a, b); }
  static void store_along(Vec v, Word* p) {
    const Vec twice = Pairs::pairs(v, v);
    __builtin_memcpy(p, &twice, Vec::kLanes * sizeof(uint16_t));
  }
  static void store_across(Vec even, Vec odd, Word* p, int64_t) {
    Pairs::store_step(even, odd, reinterpret_cast<uint16_t*>(p));
  }

 private:
  static const uint16_t* numbers(const Word* p) { return reinterpret_cast<const uint16_t*>(p); }
};

/// The words of operands that are rounded to BF16, on this instruction set.
struct PanelBf16;
template <bool kDot>
struct Bf16Choice {
  using Words = F32Words<true>;
};
template <>
struct Bf16Choice<true> {
  using Words = Bf16Words<PanelBf16>;
};
using ExactWords = F32Words<false>;

enum class Lie { kAlong, kAcross };

/// a, b and c of c[m, n] += sum_k a[m, k] b[n, k]. Strides are in elements.
template <class W>
struct TileProduct {
  const typename W::Word* a;
  int64_t a_stride;  // kAlong: from row to row; kAcross: from word to word of K
  const typename W::Word* b;
  int64_t b_stride;  // from panel to panel
  float* c;
  int64_t c_stride;  // from row to row

  /// The same from row `row` of a and c, panel `panel` of b and word `k` on.
  template <Lie kLie>
  TileProduct from(int64_t row, int64_t panel, int64_t k) const {
    const int64_t a_offset = kLie == Lie::kAlong ? row * a_stride + k : k * a_stride + row;
    return {a + a_offset,
            a_stride,
            b + panel * b_stride + k * kPanel,
            b_stride,
            c + row * c_stride + panel * kPanel,
            c_stride};
  }
};

/// R rows x N vectors over `words` words of K; kAdd: onto c, else c is overwritten.
template <class W, Lie kLie, bool kAdd, int R, int N>
[[gnu::always_inline]] inline void multiply_tile(const TileProduct<W> x, int64_t words) {
  Vec acc[R][N];
  const typename W::Word* a[R];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    a[r] = kLie == Lie::kAlong ? x.a + r * x.a_stride : x.a + r;
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      acc[r][n] = kAdd ? Vec::load(x.c + r * x.c_stride + n * Vec::kLanes) : Vec::zero();
    }
  }
  const int64_t step = kLie == Lie::kAlong ? 1 : x.a_stride;
  for (int64_t k = 0; k < words; ++k) {
    typename W::Operand b[N];
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) {
      b[n] = W::load(x.b + n / kPanelVectors * x.b_stride + k * kPanel +
                     n % kPanelVectors * Vec::kLanes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const typename W::Operand row = W::broadcast(a[r] + k * step);
#pragma GCC unroll 8
      for (int n = 0; n < N; ++n) acc[r][n] = W::dot(acc[r][n], row, b[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int n = 0; n < N; ++n) acc[r][n].store(x.c + r * x.c_stride + n * Vec::kLanes);
  }
}

/// A group of rows x P panels, in tiles that fit the registers.
template <class W, Lie kLie, bool kAdd, int P>
void multiply_panels(const TileProduct<W>& x, int64_t words) {
  if constexpr (kPanelVectors == 1) {
    multiply_tile<W, kLie, kAdd, kRowGroup, P>(x, words);
  } else {
    constexpr int kRows = kPanelVectors == 2 ? 4 : 2;
    for (int p = 0; p < P; ++p) {
      for (int r = 0; r < kRowGroup; r += kRows) {
        multiply_tile<W, kLie, kAdd, kRows, kPanelVectors>(x.template from<kLie>(r, p, 0), words);
      }
    }
  }
}

/// Panels of the next register tile when `left` are left: three, but four as two and two.
inline int64_t panels_at_once(int64_t left) {
  return left == 4 || left == 2 ? 2 : left == 1 ? 1 : 3;
}

template <class W, Lie kLie, bool kAdd>
void multiply_panels(const TileProduct<W>& x, int64_t words, int64_t panels) {
  if (panels == 3) return multiply_panels<W, kLie, kAdd, 3>(x, words);
  if (panels == 2) return multiply_panels<W, kLie, kAdd, 2>(x, words);
  multiply_panels<W, kLie, kAdd, 1>(x, words);
}

/// Words [begin, end) of K.
struct WordRange {
  int64_t begin, end;
};

/// c += a b^T for `groups` groups of rows and `panels` panels; group g sums the words k[g].
template <class W, Lie kLie>
void add_product(const TileProduct<W>& x, int64_t groups, const WordRange* k, int64_t panels) {
  for (int64_t p = 0, count; p < panels; p += count) {
    count = panels_at_once(panels - p);
    for (int64_t g = 0; g < groups; ++g) {
      if (k[g].begin >= k[g].end) continue;
      multiply_panels<W, kLie, true>(x.template from<kLie>(g * kRowGroup, p, k[g].begin),
                                     k[g].end - k[g].begin, count);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
