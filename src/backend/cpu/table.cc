#include "backend/cpu/table.h"

namespace fathom::backend::cpu {

const device::OpTable& op_table() {
  static const device::OpTable table = [] {
    device::OpTable t;
    for (const auto set : {set_activation,
                           set_arithmetic_peaks,
                           set_causal_attention,
                           set_embedding,
                           set_experts,
                           set_ffn,
                           set_gemm,
                           set_latent_attention,
                           set_linear,
                           set_linear_transposed,
                           set_loss,
                           set_norm,
                           set_optimizer,
                           set_pack,
                           set_permuted_rows,
                           set_prefill_attention,
                           set_quantization_error,
                           set_quantize,
                           set_quantize_groups,
                           set_rope,
                           set_router,
                           set_rows,
                           set_saved_matrix,
                           set_tiled_attention,
                           set_upload}) {
      set(t);
    }
    return t;
  }();
  return table;
}

}  // namespace fathom::backend::cpu
