// The last include of a kernels_<isa>.cc: every kernel, and the table that points to them.
// FATHOM_ISA, Vec and DotBf16 are defined before it.
//
// Freestanding on purpose: nothing of std and no inline function with a shared name is used here. A
// template instantiated under -mavx512f would be a weak symbol, and the linker may keep that copy
// for the whole program: a crash on an older CPU. tools/check_isa_objects.py looks for it.
#include "kernels/cpu/isa_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/packed_rows.inl"
#include "kernels/cpu/rounding.inl"
#include "kernels/cpu/router.inl"
//
#include "kernels/cpu/attention.inl"
#include "kernels/cpu/elementwise.inl"
#include "kernels/cpu/linear_fp8.inl"
//
#include "kernels/cpu/linear.inl"
#include "kernels/cpu/linear_transposed.inl"
#include "kernels/cpu/moe.inl"
#include "kernels/cpu/peak.inl"
#include "kernels/cpu/quantize.inl"
#include "kernels/cpu/rmsnorm.inl"
#include "kernels/cpu/rope.inl"

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const PackedTable kPackedTable;      // packed_<isa>.cc
extern const GemmTable kGemmTable;          // gemm_<isa>.cc
extern const TrainingTable kTrainingTable;  // training_<isa>.cc
extern const IsaTable kTable;
const IsaTable kTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
    .bf16_dot = DotBf16::kAvailable,
    .linear_rows = linear_rows<DotBf16>,
    .linear_scratch_bytes = linear_scratch_bytes,
    .linear_transposed_cols = linear_transposed_cols,
    .round_bf16_rows = round_bf16_rows,
    .quantize_tile_rows = quantize_tile_rows,
    .quantize_block_rows = quantize_block_rows,
    .decode_rows = decode_rows,
    .cache_store_rows = cache_store_rows,
    .cache_load_rows = cache_load_rows,
    .rmsnorm_forward_rows = rmsnorm_forward_rows,
    .rope_forward_rows = rope_forward_rows,
    .attention_tile_units = attention_tile_units,
    .silu_mul_rows = silu_mul_rows,
    .add_rows = add_rows,
    .token_log_probs_rows = token_log_probs_rows,
    .moe_route_rows = moe_route_rows,
    .combine_rows = combine_rows,
    .peak_f32 = kPeakF32,
    .peak_bf16 = peak_bf16_of<DotBf16>(),
    .peak_int8 = peak_int8_of<DotInt8>(),
    .packed = &kPackedTable,
    .gemm = &kGemmTable,
    .training = &kTrainingTable,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
