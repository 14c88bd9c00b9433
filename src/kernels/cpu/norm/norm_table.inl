#pragma once
#include "kernels/cpu/norm/norm_table.h"
#include "kernels/cpu/norm/rmsnorm.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const NormTable kNormTable;
const NormTable kNormTable = {
    .rmsnorm_forward_rows = rmsnorm_forward_rows,
    .rmsnorm_backward_blocks = rmsnorm_backward_blocks,
    .add_row_sums_cols = add_row_sums_cols,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
