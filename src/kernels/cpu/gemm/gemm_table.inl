#pragma once
#include "kernels/cpu/gemm/gemm.inl"
#include "kernels/cpu/gemm/gemm_pack.inl"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/gemm/saved_rows.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const GemmTable kGemmTable;
const GemmTable kGemmTable = {
#if FATHOM_HAS_TILES
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
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
