#pragma once
// The product of rows as they lie with panels of 16 columns, both BF16: what attention multiplies.
#include "kernels/cpu/isa/vec.h"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr int64_t kProductColumns = 16;  // of a panel

/// out[p][r][16] = row r . panel p.
struct RowProduct {
  const uint16_t* rows;
  int64_t row_stride;      // numbers
  int64_t count;           // of rows, a multiple of 16
  int64_t k;               // a multiple of 32
  const uint16_t* panels;  // [k / 2][16][2] each
  int64_t panel_stride;    // numbers
  float* out;
  int64_t out_panel;  // numbers
};

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
