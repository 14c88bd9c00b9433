#pragma once
#include "device/op.h"
#include "tensor/bf16.h"
#include "tensor/view.h"

namespace fathom::device {

struct SumOfSquares {
  static constexpr const char* kName = "sum_of_squares";
  View<const float, 1> x;
  double* sum;
};
struct AllFinite {
  static constexpr const char* kName = "all_finite";
  View<const float, 1> x;
  bool* finite;
};

struct AdamWOptions {
  double lr = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double eps = 1e-8;
  double weight_decay = 0.0;  // decoupled: p -= lr * weight_decay * p
  i64 step = 1;               // 1 for the first: bias corrections 1 - beta^step
  float grad_scale = 1.0f;    // multiplies every gradient first (the clip)
};
struct AdamWStep {
  static constexpr const char* kName = "adamw_step";
  View<float, 1> p;
  View<const float, 1> g;
  View<float, 1> m, v;
  AdamWOptions options;
};
struct AdamWStepBf16 {
  static constexpr const char* kName = "adamw_step_bf16";
  View<float, 1> p;
  View<const float, 1> g;
  View<Bf16, 1> m, v;
  AdamWOptions options;
};

struct EmaUpdate {
  static constexpr const char* kName = "ema_update";
  View<float, 1> average;
  View<const float, 1> p;
  float decay;
};

}  // namespace fathom::device
