#pragma once
#include "kernels/cpu/linear/integer_activations.inl"
#include "kernels/cpu/linear/linear.inl"
#include "kernels/cpu/linear/linear_table.h"
#include "kernels/cpu/linear/linear_transposed.inl"
#if FATHOM_HAS_DOTS
#include "kernels/cpu/linear/integer_linear_dot.inl"
#elif FATHOM_VECTOR_BITS >= 256
#include "kernels/cpu/linear/integer_linear_pairs.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const LinearTable kLinearTable;
const LinearTable kLinearTable = {
    .linear_rows = linear_rows<DotBf16>,
    .linear_scratch_bytes = linear_scratch_bytes,
    .linear_transposed_cols = linear_transposed_cols,
    .quantize_group_rows_f32 = quantize_group_rows_f32,
#if FATHOM_VECTOR_BITS >= 256
    .quantize_group_rows = quantize_group_rows,
    .integer_linear_rows = integer_linear_rows,
#endif
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
