#pragma once
// RowProduct in vector registers.
#include "kernels/cpu/attention/row_product.inl"
#include "kernels/cpu/isa/bf16_span.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Held while multiply_rows() is called; vectors need nothing.
struct ProductRegisters {};

template <int P>
void multiply_rows(const RowProduct& m) {
  constexpr int kTileRows = 8;
  Bf16Operands operands{reinterpret_cast<const uint8_t*>(m.panels), 2 * m.panel_stride, nullptr,
                        2 * m.row_stride};
  for (int64_t row = 0; row < m.count; row += kTileRows) {
    operands.w = reinterpret_cast<const uint8_t*>(m.rows + row * m.row_stride);
    Vec acc[kTileRows][P];
    clear(acc);
    add_bf16_span(operands, 0, m.k, acc);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows * P; ++i) {
      const int r = i / P, p = i % P;
      acc[r][p].store(m.out + p * m.out_panel + (row + r) * kProductColumns);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
