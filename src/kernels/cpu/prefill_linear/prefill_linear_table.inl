#pragma once
#include "kernels/cpu/prefill_linear/prefill_linear_table.h"
#if FATHOM_HAS_TILES
#include "kernels/cpu/prefill_linear/prefill_linear_amx.inl"
#elif FATHOM_HAS_DOTS
#include "kernels/cpu/prefill_linear/prefill_linear_dot.inl"
#else
#include "kernels/cpu/prefill_linear/prefill_linear_f32.inl"
#endif

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const PrefillLinearTable kPrefillLinearTable;
const PrefillLinearTable kPrefillLinearTable = {
    .takes_minima = !FATHOM_HAS_TILES,
#if FATHOM_HAS_DOTS
    .panel_bytes = dot_panel_bytes,
#else
    .panel_bytes = f32_panel_bytes,
#endif
    .pack_panels = pack_panels,
    .panel_linear_rows = panel_linear_rows,
#if FATHOM_HAS_TILES
    .panel_gated_rows = panel_gated_rows,
#endif
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
