#pragma once
#include "device/op.h"
#include "tensor/view.h"

namespace fathom::device {

struct TokenLogProbs {
  static constexpr const char* kName = "token_log_probs";
  View<const float, 2> logits;
  View<const i32, 1> targets;
  View<double, 1> out;
};

struct CrossEntropyInplace {
  static constexpr const char* kName = "cross_entropy_inplace";
  View<float, 2> logits;
  View<const i32, 1> targets;
  float grad_scale;
  View<double, 1> nll;
  View<i32, 1> largest;  // empty: not wanted
};

}  // namespace fathom::device
