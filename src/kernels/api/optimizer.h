#pragma once
#include <cstdint>

namespace fathom::kernels {

/// One AdamW step on a piece of flat arrays. m and v are f32, or BF16 bits for the kernel of that
/// name. Every factor is computed in double and rounded once.
struct AdamWArgs {
  float* p;        // updated
  const float* g;  // times grad_scale
  void* m;         // updated
  void* v;         // updated
  float grad_scale;
  float decay;            // 1 - lr * weight_decay
  float m_share;          // 1 - beta1
  float v_keep, v_share;  // beta2, 1 - beta2
  float step_size;        // lr / (1 - beta1^step)
  float v_correction;     // 1 / sqrt(1 - beta2^step)
  float eps;
};

/// average += share * (p - average).
struct EmaArgs {
  float* average;
  const float* p;
  float share;
};

}  // namespace fathom::kernels
