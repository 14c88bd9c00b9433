#pragma once
#include "device/op_table.h"

namespace fathom::backend::cpu {

/// Every op runs on the CPU, with the kernels of the context's instruction set.
const device::OpTable& op_table();

// The parts of the table, each set in the file of its name (here or in a family's folder).
void set_activation(device::OpTable& table);
void set_arithmetic_peaks(device::OpTable& table);
void set_causal_attention(device::OpTable& table);
void set_embedding(device::OpTable& table);
void set_experts(device::OpTable& table);
void set_ffn(device::OpTable& table);
void set_gemm(device::OpTable& table);
void set_latent_attention(device::OpTable& table);
void set_linear(device::OpTable& table);
void set_linear_transposed(device::OpTable& table);
void set_loss(device::OpTable& table);
void set_norm(device::OpTable& table);
void set_optimizer(device::OpTable& table);
void set_pack(device::OpTable& table);
void set_permuted_rows(device::OpTable& table);
void set_prefill_attention(device::OpTable& table);
void set_quantization_error(device::OpTable& table);
void set_quantize(device::OpTable& table);
void set_quantize_groups(device::OpTable& table);
void set_rope(device::OpTable& table);
void set_router(device::OpTable& table);
void set_rows(device::OpTable& table);
void set_saved_matrix(device::OpTable& table);
void set_tiled_attention(device::OpTable& table);
void set_upload(device::OpTable& table);

}  // namespace fathom::backend::cpu
