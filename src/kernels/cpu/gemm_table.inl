// The last include of a gemm_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/gemm_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/rounding.inl"
//
#include "kernels/cpu/gemm_micro.inl"
//
#ifdef FATHOM_HAS_TILES
#include "kernels/cpu/gemm_tiles_amx.inl"
//
#endif
#include "kernels/cpu/gemm.inl"
#include "kernels/cpu/saved.inl"
//
#include "kernels/cpu/pack.inl"
//
#include "kernels/cpu/causal_attention.inl"
//
#include "kernels/cpu/causal_attention_backward.inl"

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const GemmTable kGemmTable;
const GemmTable kGemmTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
#ifdef FATHOM_HAS_TILES
    .bf16_depth = kTileDepth,
    .left_in_rows = true,
    .blocks = {.rows = 512, .cols = 512, .least_rows = 32, .least_cols = 128},
#else
    .bf16_depth = 2,
    .left_in_rows = false,
    .blocks = {.rows = 128, .cols = 384, .least_rows = kPanelRows, .least_cols = 3 * kPanelRows},
#endif
    .save_rows = save_rows,
    .load_rows = load_rows,
    .pack_units = pack_units<DotBf16>,
    .amax_units = amax_units,
    .gemm_block = gemm_block<DotBf16>,
    .causal_attention_forward_scratch_bytes = causal_attention_forward_scratch_bytes,
    .causal_attention_backward_scratch_bytes = causal_attention_backward_scratch_bytes,
    .causal_attention_forward_units = causal_attention_forward_units,
    .causal_attention_backward_units = causal_attention_backward_units,
    .sum_heads_rows = sum_heads_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
