#pragma once
#include "kernels/cpu/loss/cross_entropy.inl"
#include "kernels/cpu/loss/loss_table.h"
#include "kernels/cpu/loss/token_log_probs.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const LossTable kLossTable;
const LossTable kLossTable = {
    .token_log_probs_rows = token_log_probs_rows,
    .cross_entropy_rows = cross_entropy_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
