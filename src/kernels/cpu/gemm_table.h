#pragma once
// What one instruction set offers for the products of training: packing, the multiplier, attention
// over whole sequences. Filled by gemm_<isa>.cc; reached through IsaTable::gemm.
#include <cstdint>

namespace fathom::kernels::cpu {

struct GemmTable {
  const char* name;
};

}  // namespace fathom::kernels::cpu
