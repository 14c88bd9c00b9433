#pragma once
#include "kernels/cpu/optimizer/optimizer.inl"
#include "kernels/cpu/optimizer/optimizer_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const OptimizerTable kOptimizerTable;
const OptimizerTable kOptimizerTable = {
    .sum_of_squares = sum_of_squares,
    .all_finite = all_finite,
    .adamw = adamw<float>,
    .adamw_bf16 = adamw<uint16_t>,
    .ema = ema,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
