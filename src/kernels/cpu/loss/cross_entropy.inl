#pragma once
#include "kernels/api/cross_entropy.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Partial sums of this many exponentials are f32, the sum of them double: as token_log_probs_rows.
constexpr int64_t kExpSumBlock = 256;

/// Four running maxima, because one alone waits for itself. A NaN loses.
inline float row_max(const float* x, int64_t count) {
  constexpr float kMinusInf = -__builtin_inff();
  Vec m[4] = {Vec::set1(kMinusInf), Vec::set1(kMinusInf), Vec::set1(kMinusInf),
              Vec::set1(kMinusInf)};
  int64_t i = 0;
  for (; i + 4 * Vec::kLanes <= count; i += 4 * Vec::kLanes) {
    for (int k = 0; k < 4; ++k) m[k] = max(Vec::load(x + i + k * Vec::kLanes), m[k]);
  }
  for (; i < count; i += Vec::kLanes) m[0] = max(load_n(x + i, count - i, kMinusInf), m[0]);
  return reduce_max(max(max(m[0], m[1]), max(m[2], m[3])));
}

/// x <- exp(x - largest); returns the sum.
inline double exp_row(float* x, int64_t count, float largest) {
  const Vec offset = Vec::set1(largest);
  double sum = 0.0;
  for (int64_t block = 0; block < count; block += kExpSumBlock) {
    Vec part = Vec::zero();
    each_vec(min(count - block, kExpSumBlock), [&](int64_t i, auto n) {
      const Vec e = exp(load_n(x + block + i, n, -__builtin_inff()) - offset);
      part = part + e;
      store_n(e, x + block + i, n);
    });
    sum += static_cast<double>(reduce_add(part));
  }
  return sum;
}

/// Where `largest` first stands; -1 if nowhere, as in a row with NaN alone.
inline int32_t index_of(const float* x, int64_t count, float largest) {
  for (int64_t block = 0; block < count; block += kExpSumBlock) {
    const int64_t end = min(count, block + kExpSumBlock);
    if (row_max(x + block, end - block) != largest) continue;
    for (int64_t i = block; i < end; ++i) {
      if (x[i] == largest) return static_cast<int32_t>(i);
    }
  }
  return -1;
}

void cross_entropy_rows(const CrossEntropyArgs& a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* x = a.logits + row * a.logits_stride;
    if (a.targets[row] < 0) {
      each_vec(a.vocab, [&](int64_t i, auto n) { store_n(Vec::zero(), x + i, n); });
      a.terms[row] = {0.0, 1.0, 0.0};
      if (a.largest_index != nullptr) a.largest_index[row] = -1;
      continue;
    }
    const float target = x[a.targets[row]];
    const float largest = row_max(x, a.vocab);
    if (a.largest_index != nullptr) a.largest_index[row] = index_of(x, a.vocab, largest);
    const double sum = exp_row(x, a.vocab, largest);
    a.terms[row] = {static_cast<double>(largest), sum, static_cast<double>(target)};

    const double scale = static_cast<double>(a.grad_scale);
    const double p = static_cast<double>(x[a.targets[row]]) / sum;
    const Vec factor = Vec::set1(static_cast<float>(scale / sum));
    each_vec(a.vocab, [&](int64_t i, auto n) { store_n(load_n(x + i, n) * factor, x + i, n); });
    x[a.targets[row]] = static_cast<float>(scale * (p - 1.0));  // p - 1 cancels: not in f32
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
