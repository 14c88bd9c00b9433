#pragma once
#include "kernels/api/rope.h"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

constexpr float kEvenMinus[16] = {-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1};
constexpr float kOddMinus[16] = {1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1};

/// n / 2 numbers at p, each in two neighbouring lanes.
inline Vec load_twice_n(const float* p, int64_t n) {
  if (n >= Vec::kLanes) return Vec::load_twice(p);
  float buffer[Vec::kLanes / 2] = {};
  for (int64_t i = 0; i < n / 2; ++i) buffer[i] = p[i];
  return Vec::load_twice(buffer);
}

/// Pairs (2i, 2i + 1): x * [cos cos ..] + [x1 x0 ..] * [-sin sin ..], for all heads of a token.
inline void rotate_interleaved(const RopeForwardArgs& a, const float* cos, const float* sin,
                               float* x) {
  const Vec signs = Vec::load(a.inverse ? kOddMinus : kEvenMinus);
  for (int64_t i = 0; i < 2 * a.pairs; i += Vec::kLanes) {
    const int64_t n = 2 * a.pairs - i;
    const Vec c = load_twice_n(cos + i / 2, n), s = load_twice_n(sin + i / 2, n) * signs;
    for (int64_t head = 0; head < a.heads; ++head) {
      float* at = x + head * a.head_stride + i;
      const Vec v = load_n(at, n);
      store_n(v * c + swap_pairs(v) * s, at, n);
    }
  }
}

/// Pairs (i, i + pairs).
inline void rotate_halves(const RopeForwardArgs& a, const float* cos, const float* sin, float* x) {
  for (int64_t i = 0; i < a.pairs; i += Vec::kLanes) {
    const int64_t n = a.pairs - i;
    const Vec c = load_n(cos + i, n);
    const Vec s = load_n(sin + i, n) * Vec::set1(a.inverse ? -1.0f : 1.0f);
    for (int64_t head = 0; head < a.heads; ++head) {
      float* at = x + head * a.head_stride + i;
      const Vec first = load_n(at, n), second = load_n(at + a.pairs, n);
      store_n(first * c - second * s, at, n);
      store_n(first * s + second * c, at + a.pairs, n);
    }
  }
}

void rope_forward_rows(const RopeForwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t token = begin; token < end; ++token) {
    const float* cos = a.cos + token * a.pairs;
    const float* sin = a.sin + token * a.pairs;
    float* x = a.x + token * a.token_stride;
    a.halves ? rotate_halves(a, cos, sin, x) : rotate_interleaved(a, cos, sin, x);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
