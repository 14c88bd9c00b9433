#include "device/quantization_error.h"

#include <algorithm>
#include <cmath>

#include "tensor/e5m6.h"
#include "tensor/fp8.h"

namespace fathom::device {

void add(MagnitudeSums& sums, const MagnitudeSums& part) {
  sums.numbers += part.numbers;
  sums.zeros += part.zeros;
  sums.not_measured += part.not_measured;
  sums.abs_value += part.abs_value;
  sums.squared_value += part.squared_value;
}

void add(QuantizationErrorSums& sums, const QuantizationErrorSums& part) {
  sums.abs_error += part.abs_error;
  sums.relative_error += part.relative_error;
  sums.squared_error += part.squared_error;
  sums.saturated += part.saturated;
  sums.underflowed += part.underflowed;
  sums.subnormal += part.subnormal;
}

float largest_number(NumberFormat format) {
  switch (format) {
    case NumberFormat::kE4m3:
      return kE4m3Max;
    case NumberFormat::kE5m2:
      return kE5m2Max;
    case NumberFormat::kE5m6:
      return kE5m6Max;
    case NumberFormat::kBf16:
      return 0x1.fep127f;
  }
  return 0.0f;
}

float quantization_scale(float amax, NumberFormat format, bool power_of_2) {
  const float scale = std::max(amax, kFp8AmaxFloor) / largest_number(format);
  if (!power_of_2 || !std::isfinite(scale)) return scale;  // an infinite amax has no finite scale
  return ceil_to_power_of_two(scale);
}

}  // namespace fathom::device
