#pragma once
#include "backend/cpu/linear/prepared_input.h"
#include "device/moe.h"

namespace fathom::backend::cpu {

/// y = down(silu(gate x) * up x); all threads share each product.
void run_ffn(Ctx& ctx, const PreparedInput& x, const device::FfnWeights& w, View<float, 2> y,
             device::LinearMode mode);

}  // namespace fathom::backend::cpu
