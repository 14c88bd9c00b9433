// The last include of a training_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/training_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/quantization_error.inl"

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const TrainingTable kTrainingTable;
const TrainingTable kTrainingTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
    .tile_range_blocks = tile_range_blocks,
    .quantization_error_blocks = quantization_error_blocks,
    .octave_count_blocks = octave_count_blocks,
    .magnitude_bin_rows = magnitude_bin_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
