// The last include of a training_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/training_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/each_vec.inl"
#include "kernels/cpu/rounding.inl"
#include "kernels/cpu/router.inl"
//
#include "kernels/cpu/cross_entropy.inl"
#include "kernels/cpu/gradients.inl"
#include "kernels/cpu/moe_train.inl"
#include "kernels/cpu/optimizer.inl"
#include "kernels/cpu/quantization_error.inl"
#include "kernels/cpu/weighted_silu.inl"

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const TrainingTable kTrainingTable;
const TrainingTable kTrainingTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
    .rmsnorm_backward_blocks = rmsnorm_backward_blocks,
    .add_row_sums_cols = add_row_sums_cols,
    .silu_mul_backward_rows = silu_mul_backward_rows,
    .weighted_silu_mul_rows = weighted_silu_mul_rows,
    .weighted_silu_mul_backward_rows = weighted_silu_mul_backward_rows,
    .scatter_add_cols = scatter_add_cols,
    .cross_entropy_rows = cross_entropy_rows,
    .router_scores_rows = router_scores_rows,
    .count_topk_rows = count_topk_rows,
    .router_entropy_rows = router_entropy_rows,
    .router_backward_rows = router_backward_rows,
    .combine_places_rows = combine_places_rows,
    .combine_places_backward_rows = combine_places_backward_rows,
    .sum_of_squares = sum_of_squares,
    .all_finite = all_finite,
    .adamw = adamw<float>,
    .adamw_bf16 = adamw<uint16_t>,
    .ema = ema,
    .tile_range_blocks = tile_range_blocks,
    .quantization_error_blocks = quantization_error_blocks,
    .octave_count_blocks = octave_count_blocks,
    .magnitude_bin_rows = magnitude_bin_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
