#pragma once
#include "kernels/cpu/elementwise/add.inl"
#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/elementwise/rope.inl"
#include "kernels/cpu/elementwise/silu.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const ElementwiseTable kElementwiseTable;
const ElementwiseTable kElementwiseTable = {
    .silu_mul_rows = silu_mul_rows,
    .silu_mul_backward_rows = silu_mul_backward_rows,
    .weighted_silu_mul_rows = weighted_silu_mul_rows,
    .weighted_silu_mul_backward_rows = weighted_silu_mul_backward_rows,
    .add_rows = add_rows,
    .scatter_add_cols = scatter_add_cols,
    .rope_forward_rows = rope_forward_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
