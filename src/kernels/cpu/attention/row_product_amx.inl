#pragma once
// RowProduct in tile registers.
#include "kernels/cpu/attention/row_product.inl"
#include "kernels/cpu/isa/tiles_amx.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Held while multiply_rows() is called.
using ProductRegisters = TileRegisters;

template <int R, int P>
inline void multiply_some_rows(const RowProduct& m, int64_t row) {
  using Block = TileBlock<R, P>;
  const uint8_t* rows = reinterpret_cast<const uint8_t*>(m.rows + row * m.row_stride);
  const uint8_t* panels = reinterpret_cast<const uint8_t*>(m.panels);
  Block::zero();
  for (int64_t k = 0; k < m.k; k += 32) {
    Block::load(rows + 2 * k, 2 * m.row_stride, 2 * kTileRows * m.row_stride,
                panels + 2 * k * kProductColumns, 2 * m.panel_stride);
    Block::add_bf16();
  }
  Block::store(m.out + row * kProductColumns, 4 * kTileNumbers, 4 * m.out_panel);
}

template <int P>
void multiply_rows(const RowProduct& m) {
  int64_t row = 0;
  for (; row + 2 * kTileRows <= m.count; row += 2 * kTileRows) multiply_some_rows<2, P>(m, row);
  if (row < m.count) multiply_some_rows<1, P>(m, row);
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
