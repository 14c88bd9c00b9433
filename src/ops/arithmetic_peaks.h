#pragma once
#include "ops/ctx.h"

namespace fathom::ops {

/// Operations a second of all threads together, multiply-adds in registers counted as two, with
/// this context's instruction set: the best of several passes of a few milliseconds. 0: the set has
/// no such instruction.
struct ArithmeticPeaks {
  double f32 = 0.0;
  double bf16 = 0.0;  // pairs of BF16 summed in f32
  double int8 = 0.0;  // bytes summed in 32 bits
};
ArithmeticPeaks arithmetic_peaks(const Ctx& ctx);

}  // namespace fathom::ops
