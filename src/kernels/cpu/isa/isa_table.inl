#pragma once
// The table of an instruction set: its families' tables, and its peaks.
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/isa/peak.inl"

#define FATHOM_STRING_OF(x) #x
#define FATHOM_STRING(x) FATHOM_STRING_OF(x)

namespace fathom::kernels::cpu::FATHOM_ISA {

extern const LinearTable kLinearTable;
extern const PrefillLinearTable kPrefillLinearTable;
extern const AttentionTable kAttentionTable;
extern const LatentAttentionTable kLatentAttentionTable;
extern const PrefillAttentionTable kPrefillAttentionTable;
extern const CausalAttentionTable kCausalAttentionTable;
extern const GemmTable kGemmTable;
extern const MoeTable kMoeTable;
extern const NormTable kNormTable;
extern const ElementwiseTable kElementwiseTable;
extern const LossTable kLossTable;
extern const QuantizeTable kQuantizeTable;
extern const OptimizerTable kOptimizerTable;

extern const IsaTable kTable;
const IsaTable kTable = {
    .name = FATHOM_STRING(FATHOM_ISA),
    .bf16_dot = DotBf16::kAvailable,
    .peak_f32 = kPeakF32,
    .peak_bf16 = peak_bf16_of<DotBf16>(),
    .peak_int8 = peak_int8_of<DotInt8>(),
    .linear = &kLinearTable,
#if FATHOM_VECTOR_BITS >= 256
    .prefill_linear = &kPrefillLinearTable,
#endif
    .attention = &kAttentionTable,
#if FATHOM_HAS_DOTS
    .latent_attention = &kLatentAttentionTable,
    .prefill_attention = &kPrefillAttentionTable,
#endif
    .causal_attention = &kCausalAttentionTable,
    .gemm = &kGemmTable,
    .moe = &kMoeTable,
    .norm = &kNormTable,
    .elementwise = &kElementwiseTable,
    .loss = &kLossTable,
    .quantize = &kQuantizeTable,
    .optimizer = &kOptimizerTable,
};

}  // namespace fathom::kernels::cpu::FATHOM_ISA
