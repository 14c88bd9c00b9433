#pragma once
#include "device/op.h"

namespace fathom::device {

/// Operations a second of all threads together, multiply-adds in registers counted as two. 0: the
/// instruction set has no such instruction.
struct ArithmeticPeaks {
  double f32 = 0.0;
  double bf16 = 0.0;  // pairs of BF16 summed in f32
  double int8 = 0.0;  // bytes summed in 32 bits
};
struct MeasureArithmeticPeaks {
  static constexpr const char* kName = "arithmetic_peaks";
  using Answer = ArithmeticPeaks;
};

}  // namespace fathom::device
