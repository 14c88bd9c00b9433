#pragma once
// Scales and minima of packed integers' groups, widened to f32: exact.
#include "kernels/api/linear.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

inline float bf16_to_f32(uint16_t bits) {
  const uint32_t word = static_cast<uint32_t>(bits) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
}

inline float f16_to_f32(uint16_t bits) {
#if FATHOM_VECTOR_BITS >= 256
  return _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits)));
#else
  // The exponent's bias moves from 15 to 127, which a product takes through subnormals too.
  uint32_t word = static_cast<uint32_t>(bits & 0x7fff) << 13;
  float magnitude;
  __builtin_memcpy(&magnitude, &word, sizeof magnitude);
  magnitude *= 0x1p112f;
  __builtin_memcpy(&word, &magnitude, sizeof word);
  if ((bits & 0x7c00) == 0x7c00) word |= 0x7f800000;  // infinity and NaN
  word |= static_cast<uint32_t>(bits & 0x8000) << 16;
  float value;
  __builtin_memcpy(&value, &word, sizeof value);
  return value;
#endif
}

inline float scale_to_f32(ScaleType type, uint16_t bits) {
  return type == ScaleType::kF16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

/// The minimum of `group` beside codes that count from `middle`, where as stored they count from 0.
inline float minimum_at_middle(const GroupScales& scales, int64_t group, float middle) {
  const float scale = scale_to_f32(scales.type, scales.data[group]);
  return scale_to_f32(scales.type, scales.minima[group]) + middle * scale;
}

/// Those of the rows from `row` on.
inline GroupScales scales_from(GroupScales scales, int64_t row) {
  scales.data += row * scales.stride;
  if (scales.minima != nullptr) scales.minima += row * scales.stride;
  return scales;
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
