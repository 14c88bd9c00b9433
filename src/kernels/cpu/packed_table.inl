// The last include of a packed_<isa>.cc; freestanding, as table.inl explains.
#include "kernels/cpu/packed_table.h"
//
#include "kernels/cpu/common.inl"
//
#include "kernels/cpu/packed_rows.inl"
#include "kernels/cpu/rounding.inl"
//
#include "kernels/cpu/packed.inl"
#ifdef FATHOM_HAS_PAIRS
#include "kernels/cpu/packed_pairs.inl"
//
#include "kernels/cpu/token_panels_f32.inl"
//
#include "kernels/cpu/token_tiles_f32.inl"
#endif
#if FATHOM_HAS_DOTS
#include "kernels/cpu/token_panels.inl"
//
#ifdef FATHOM_HAS_TILES
#include "kernels/cpu/token_work_amx.inl"
//
#include "kernels/cpu/latent_amx.inl"
#else
#include "kernels/cpu/token_tiles_lanes.inl"
//
#include "kernels/cpu/latent_lanes.inl"
#endif
//
#include "kernels/cpu/latent_attention.inl"
//
#include "kernels/cpu/prompt_attention.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const PackedTable kPackedTable;
const PackedTable kPackedTable = {
    .quantize_group_rows_f32 = quantize_group_rows_f32,
#if FATHOM_HAS_DOTS
    .quantize_group_rows = quantize_group_rows,
    .linear_rows = packed_linear_rows,
    .panel_bytes = dot_panel_bytes,
    .pack_panels = pack_panels,
    .panel_linear_rows = panel_linear_rows,
#ifdef FATHOM_HAS_TILES
    .panel_gated_rows = panel_gated_rows,
#else
    .panel_gated_rows = nullptr,
#endif
    .pack_latent_queries = pack_latent_queries,
    .latent_attention_chunks = latent_attention_chunks,
    .latent_attention_fold = latent_attention_fold,
    .pack_prompt_queries = pack_prompt_queries,
    .prompt_attention_units = prompt_attention_units,
    .prompt_attention_end = prompt_attention_end,
#else
#ifdef FATHOM_HAS_PAIRS
    .quantize_group_rows = quantize_group_rows,
    .linear_rows = packed_linear_rows,
    .panel_bytes = f32_panel_bytes,
    .pack_panels = pack_panels,
    .panel_linear_rows = panel_linear_rows,
#else
    .quantize_group_rows = nullptr,
    .linear_rows = nullptr,
    .panel_bytes = nullptr,
    .pack_panels = nullptr,
    .panel_linear_rows = nullptr,
#endif
    .panel_gated_rows = nullptr,
    .pack_latent_queries = nullptr,
    .latent_attention_chunks = nullptr,
    .latent_attention_fold = nullptr,
    .pack_prompt_queries = nullptr,
    .prompt_attention_units = nullptr,
    .prompt_attention_end = nullptr,
#endif
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
