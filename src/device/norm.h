#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

/// ops/norm/rmsnorm.h has the formulas, as for every op the header of its family.
struct RmsNormForward {
  static constexpr const char* kName = "rmsnorm_forward";
  View<const float, 2> x;
  View<const float, 1> weight;
  float eps;
  View<float, 2> y;
  View<float, 1> rstd;  // empty: not saved
};

struct RmsNormBackward {
  static constexpr const char* kName = "rmsnorm_backward";
  View<const float, 2> dy, x;
  View<const float, 1> weight, rstd;
  View<float, 2> dx;
  View<float, 1> dweight;
  bool accumulate_dx;
};

}  // namespace fathom::device
