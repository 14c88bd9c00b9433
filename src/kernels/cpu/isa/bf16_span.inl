#pragma once
// Products of rows and panels of BF16 pairs in vector registers: rows are broadcast.
#include "kernels/cpu/isa/dot_bf16.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Rows of weights, or of keys, and panels [K / 2][16][2] of 16 columns, both BF16.
struct Bf16Operands {
  const uint8_t* x;  // panels
  int64_t x_panel;   // bytes from a panel to the next
  const uint8_t* w;  // rows
  int64_t w_stride;  // bytes
};

template <int R, int P>
[[gnu::always_inline]] inline void clear(Vec (&acc)[R][P]) {
#pragma GCC unroll 32
  for (int i = 0; i < R * P; ++i) acc[i / P][i % P] = Vec::zero();
}

/// acc += K [begin, end) of the products.
template <int R, int P>
[[gnu::always_inline]] inline void add_bf16_span(const Bf16Operands& t, int64_t begin, int64_t end,
                                                 Vec (&acc)[R][P]) {
  const uint8_t* x = t.x + begin * 16 * 2;
  const uint8_t* w = t.w + begin * 2;
  for (int64_t k = begin; k < end; k += 2, x += 4 * 16, w += 4) {
    __m512i tokens[P];
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) tokens[p] = _mm512_loadu_si512(x + p * t.x_panel);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const __m512i pair =
          PanelBf16::broadcast(reinterpret_cast<const uint16_t*>(w + r * t.w_stride));
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) acc[r][p] = PanelBf16::accumulate(acc[r][p], tokens[p], pair);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
