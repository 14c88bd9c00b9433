#pragma once
// Codes of groups of numbers quantised to INT8, and their scales.
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

struct GroupScale {
  float scale;
  float inverse;
};

/// 0 for a group of nothing but zeros, or less than any model's activations.
inline GroupScale group_scale_of(float scale) {
  constexpr float kSmallest = 1e-30f;
  if (scale < kSmallest) return {0.0f, 0.0f};
  return {scale, 1.0f / scale};
}

/// scale = amax / 127; NaN if a number of the group is not finite.
inline GroupScale group_scale(const float* x, int64_t n) {
  Vec amax = Vec::zero(), bad = Vec::zero();
  for (int64_t i = 0; i < n; i += Vec::kLanes) {
    const Vec v = load_n(x + i, n - i);
    amax = max(abs(v), amax);
    bad = bad + v * Vec::zero();  // NaN for NaN and infinity
  }
  return group_scale_of(reduce_max(amax) / 127.0f + reduce_add(bad));
}

/// The code of x, held in f32: rounded to nearest even. 0 where the scale is NaN.
inline Vec code_of(Vec x, float inverse) {
  const Vec to_integer = Vec::set1(0x1.8p23f);
  const Vec rounded = (x * Vec::set1(inverse) + to_integer) - to_integer;
  return max(min(rounded, Vec::set1(127.0f)), Vec::set1(-127.0f));
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
