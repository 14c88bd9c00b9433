#pragma once
// Linear of few rows of x, in every weight type, and its transposed form.
#include <cstdint>

#include "kernels/api/linear.h"
#include "kernels/api/packed.h"

namespace fathom::kernels::cpu {

struct LinearTable {
  // Rows of w [begin, end); scratch: linear_scratch_bytes().
  void (*linear_rows)(const LinearArgs&, int64_t begin, int64_t end, void* scratch);
  int64_t (*linear_scratch_bytes)(const LinearArgs&);
  // Columns of y [begin, end).
  void (*linear_transposed_cols)(const LinearTransposedArgs&, int64_t begin, int64_t end);

  /// Activations as f32 multiples of their scale, for linear_rows().
  void (*quantize_group_rows_f32)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  /// Activations as units of codes, and the product of codes; nullptr where the ISA has no products
  /// of bytes.
  void (*quantize_group_rows)(const QuantizeGroupsArgs&, int64_t begin, int64_t end);
  void (*integer_linear_rows)(const PackedLinearArgs&, int64_t begin, int64_t end);  // rows of w
};

/// Rows of linear_rows() and columns of linear_transposed_cols() are split in multiples of these.
inline constexpr int64_t kLinearRowGrain = 8;
inline constexpr int64_t kTransposedColGrain = 64;

}  // namespace fathom::kernels::cpu
