// The last include of a training_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/training_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/weighted_silu.inl"
//

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const TrainingTable kTrainingTable;
const TrainingTable kTrainingTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
    .weighted_silu_mul_rows = weighted_silu_mul_rows,
    .weighted_silu_mul_backward_rows = weighted_silu_mul_backward_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
