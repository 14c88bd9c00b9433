#pragma once
#include "device/ctx.h"
#include "device/peaks.h"

namespace fathom::ops {

using device::ArithmeticPeaks;

/// What this context's kernels reach in registers: the best of several passes of a few
/// milliseconds.
ArithmeticPeaks arithmetic_peaks(const Ctx& ctx);

}  // namespace fathom::ops
