#pragma once
#include "kernels/cpu/attention/attention.inl"
#include "kernels/cpu/attention/attention_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const AttentionTable kAttentionTable;
const AttentionTable kAttentionTable = {
    .attention_tile_units = attention_tile_units,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
