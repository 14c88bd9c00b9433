#pragma once
// What the multiplier reaches at most on this machine, so that every printed speed of training has
// its share beside it.
#include "device/ctx.h"

namespace fathom::ops {

/// Floating-point operations a second of ops::gemm on BF16 operands that are packed already, 1024
/// in each direction, with all threads: the best of several passes over about 0.2 s.
double gemm_peak_flops_per_s(Ctx& ctx);

}  // namespace fathom::ops
