#pragma once
// What one instruction set offers for weights packed as integers. Filled by packed_<isa>.cc; reached
// through IsaTable::packed.
#include <cstdint>

#include "kernels/api/packed.h"

namespace fathom::kernels::cpu {

struct PackedTable {
  /// Activations as f32 multiples of their scale, for linear_rows().
  void (*quantize_group_rows_f32)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  /// Activations as units of codes, and the product with them; nullptr where the set has no dot
  /// product of bytes.
  void (*quantize_group_rows)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  void (*linear_rows)(const PackedLinearArgs&, int64_t begin, int64_t end);  // rows of w
};

}  // namespace fathom::kernels::cpu
