#pragma once
// What one instruction set offers: a table of function pointers for each family of kernels, filled
// by <family>_<isa>.cc. Callers hold the table that Ctx chose and make one call per range of rows.
#include <cstdint>

namespace fathom::kernels::cpu {

struct AttentionTable;
struct CausalAttentionTable;
struct ElementwiseTable;
struct GemmTable;
struct LatentAttentionTable;
struct LinearTable;
struct LossTable;
struct MoeTable;
struct NormTable;
struct OptimizerTable;
struct PrefillAttentionTable;
struct PrefillLinearTable;
struct QuantizeTable;

/// A loop of multiply-adds in registers.
struct PeakKernel {
  float (*run)(int64_t rounds);  // nullptr: the ISA has no such instruction
  int64_t operations;            // of one round; a multiply-add counts as two
};

struct IsaTable {
  const char* name;
  /// Multiplies BF16 pairs in one instruction: LinearArgs::x may be bf16. The instruction takes
  /// BF16 subnormals (below 2^-126) as zero and flushes f32 subnormal sums; all else is f32
  /// arithmetic.
  bool bf16_dot;
  PeakKernel peak_f32, peak_bf16, peak_int8;

  // Unless a table says otherwise a kernel works on rows [begin, end) of what its name or its
  // struct says.
  const LinearTable* linear;
  const PrefillLinearTable* prefill_linear;  // nullptr on scalar
  const AttentionTable* attention;
  const LatentAttentionTable* latent_attention;    // nullptr without bf16_dot
  const PrefillAttentionTable* prefill_attention;  // nullptr without bf16_dot
  const CausalAttentionTable* causal_attention;
  const GemmTable* gemm;
  const MoeTable* moe;
  const NormTable* norm;
  const ElementwiseTable* elementwise;
  const LossTable* loss;
  const QuantizeTable* quantize;
  const OptimizerTable* optimizer;
};

}  // namespace fathom::kernels::cpu
