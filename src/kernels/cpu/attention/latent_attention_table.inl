#pragma once
#include "kernels/cpu/attention/latent_attention.inl"
#include "kernels/cpu/attention/latent_attention_table.h"

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const LatentAttentionTable kLatentAttentionTable;
const LatentAttentionTable kLatentAttentionTable = {
    .pack_latent_queries = pack_latent_queries,
    .latent_attention_items = latent_attention_items,
    .latent_attention_fold = latent_attention_fold,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
