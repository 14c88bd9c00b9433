#pragma once
#include "kernels/cpu/causal_attention/causal_attention_backward.inl"
#include "kernels/cpu/causal_attention/causal_attention_forward.inl"
#include "kernels/cpu/causal_attention/causal_attention_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const CausalAttentionTable kCausalAttentionTable;
const CausalAttentionTable kCausalAttentionTable = {
    .causal_attention_forward_scratch_bytes = causal_attention_forward_scratch_bytes,
    .causal_attention_backward_scratch_bytes = causal_attention_backward_scratch_bytes,
    .causal_attention_forward_units = causal_attention_forward_units,
    .causal_attention_backward_units = causal_attention_backward_units,
    .sum_heads_rows = sum_heads_rows,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
