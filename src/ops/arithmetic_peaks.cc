#include "ops/arithmetic_peaks.h"

#include "device/run.h"

namespace fathom::ops {

ArithmeticPeaks arithmetic_peaks(const Ctx& ctx) {
  return ask(ctx, device::MeasureArithmeticPeaks{});
}

}  // namespace fathom::ops
