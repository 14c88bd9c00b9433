#pragma once
// The products of causal attention in AMX's tile registers: 32 x 32 results, all ranges in 32s.
//
// The left operands that lie along K and all panels are tiles as they lie. What lies across K is a
// right operand then, and its product is transposed: out^T = V^T P^T and dQ^T = K^T dS, with the
// panels of V and K transposed tile by tile into left operands.
#include "kernels/cpu/causal_attention/causal_products.inl"
#include "kernels/cpu/isa/tiles_amx.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int64_t kSquare = 32;  // rows and columns of the results of 2 x 2 tiles

/// Words of two BF16 numbers that tiles multiply.
struct TileWords : Bf16Words<PanelBf16> {
  static constexpr bool kTiles = true;
  static constexpr int64_t kGroup = kSquare;
};

/// Two tiles of an operand, and where they go on along K. Bytes.
struct SquareOperand {
  const void* data;
  int64_t row;   // from a row of a tile to the next
  int64_t step;  // to the next tiles along K
  int64_t next;  // to the other tile
};

/// Rows along K, `stride` words from row to row.
inline SquareOperand along(const uint32_t* x, int64_t stride) {
  return {x, 4 * stride, 64, 64 * stride};
}
/// Columns across K, `stride` words from word to word of K.
inline SquareOperand across(const uint32_t* x, int64_t stride) {
  return {x, 4 * stride, 64 * stride, 64};
}
/// Panels [K words][16], transposed or not, `stride` words from panel to panel.
inline SquareOperand panels_of(const uint32_t* x, int64_t stride) {
  return {x, 64, 1024, 4 * stride};
}

/// c [32, 32] = a b^T, or += if kAdd, over `words` words of K: a multiple of 16.
template <bool kAdd>
void multiply_square(const SquareOperand& a, const SquareOperand& b, int64_t words, float* c,
                     int64_t c_stride) {
  using Square = TileBlock<2, 2>;
  kAdd ? Square::load_rows(c, c_stride) : Square::zero();
  const uint8_t *left = static_cast<const uint8_t*>(a.data),
                *right = static_cast<const uint8_t*>(b.data);
  for (int64_t k = 0; k < words; k += 16, left += a.step, right += b.step) {
    Square::load(left, a.row, a.next, right, b.next, b.row);
    Square::add_bf16();
  }
  Square::store_rows(c, c_stride);
}

/// c += a b^T for groups of 32 rows along K and pairs of panels; group g sums the words k[g].
inline void add_product(const TileProduct<TileWords>& x, int64_t groups, const WordRange* k,
                        int64_t panels) {
  for (int64_t g = 0; g < groups; ++g) {
    if (k[g].begin >= k[g].end) continue;
    for (int64_t p = 0; p < panels; p += 2) {
      const TileProduct<TileWords> at = x.from<Lie::kAlong>(g * kSquare, p, k[g].begin);
      multiply_square<true>(along(at.a, at.a_stride), panels_of(at.b, at.b_stride),
                            k[g].end - k[g].begin, at.c, at.c_stride);
    }
  }
}

/// Panels of `words` words of K, a multiple of 16, become left operands: each 16 words x 16 columns
/// are transposed where they lie.
inline void transpose_tiles(uint32_t* panels, int64_t words) {
  for (int64_t k = 0; k < words; k += 16, panels += 256) {
    Vec tile[Vec::kLanes];
    __builtin_memcpy(tile, panels, sizeof tile);
    transpose(tile);
    __builtin_memcpy(panels, tile, sizeof tile);
  }
}

/// to [16][width] = the columns [from, from + 16) of x [width][stride]; width: a multiple of 16.
inline void transpose_results(const float* x, int64_t stride, int64_t width, float* to) {
  for (int64_t i = 0; i < width; i += Vec::kLanes) {
    Vec tile[Vec::kLanes];
#pragma GCC unroll 16
    for (int r = 0; r < Vec::kLanes; ++r) tile[r] = Vec::load(x + (i + r) * stride);
    transpose(tile);
#pragma GCC unroll 16
    for (int r = 0; r < Vec::kLanes; ++r) tile[r].store(to + r * width + i);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
