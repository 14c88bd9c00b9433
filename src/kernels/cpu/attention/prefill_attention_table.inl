#pragma once
#include "kernels/cpu/attention/prefill_attention.inl"
#include "kernels/cpu/attention/prefill_attention_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const PrefillAttentionTable kPrefillAttentionTable;
const PrefillAttentionTable kPrefillAttentionTable = {
    .pack_prefill_queries = pack_prefill_queries,
    .prefill_attention_units = prefill_attention_units,
    .prefill_attention_end = prefill_attention_end,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
