#pragma once
#include "kernels/api/optimizer.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/isa/vec_functions.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// In double, so that no finite number overflows. Plain loops over a fixed number of sums: memory
/// is slower than what the compiler makes of them, and every instruction set adds in the same
/// order.
double sum_of_squares(const float* x, int64_t count) {
  constexpr int kSums = 16;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int k = 0; k < kSums; ++k) {
      const double value = static_cast<double>(x[i + k]);
      sums[k] += value * value;
    }
  }
  for (int k = 0; i < count; ++i, ++k) {
    sums[k] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  double total = 0.0;
  for (int k = 0; k < kSums; ++k) total += sums[k];
  return total;
}

/// 0 * x is 0, or NaN for what is not finite.
bool all_finite(const float* x, int64_t count) {
  Vec sum = Vec::zero();
  each_vec(count, [&](int64_t i, auto n) { sum = fma(load_n(x + i, n), Vec::zero(), sum); });
  return reduce_add(sum) == 0.0f;
}

/// Subnormal numbers become 0. A moment without gradients shrinks to one and stays there, rounding
/// back to itself, and many CPUs compute subnormal numbers a hundred times slower.
inline Vec flush(Vec x) { return select_less(abs(x), Vec::set1(0x1p-126f), Vec::zero(), x); }

template <typename Moment>
void adamw(const AdamWArgs& a, int64_t begin, int64_t end) {
  float* p = a.p + begin;
  const float* g = a.g + begin;
  Moment* m = static_cast<Moment*>(a.m) + begin;
  Moment* v = static_cast<Moment*>(a.v) + begin;
  each_vec(end - begin, [&](int64_t i, auto n) {
    const Vec gradient = load_n(g + i, n) * Vec::set1(a.grad_scale);
    const Vec m_old = load_stored_n(m + i, n), v_old = load_stored_n(v + i, n);
    const Vec m_new = flush(fma(gradient - m_old, Vec::set1(a.m_share), m_old));
    const Vec v_kept = v_old * Vec::set1(a.v_keep);
    const Vec v_new = flush(fma(gradient * gradient, Vec::set1(a.v_share), v_kept));
    const Vec divisor = fma(sqrt(v_new), Vec::set1(a.v_correction), Vec::set1(a.eps));
    const Vec step = Vec::set1(a.step_size) * (m_new / divisor);
    store_n(load_n(p + i, n) * Vec::set1(a.decay) - step, p + i, n);
    store_n(m_new, m + i, n);
    store_n(v_new, v + i, n);
  });
}

void ema(const EmaArgs& a, int64_t begin, int64_t end) {
  each_vec(end - begin, [&](int64_t i, auto n) {
    const Vec average = load_n(a.average + begin + i, n), p = load_n(a.p + begin + i, n);
    store_n(fma(p - average, Vec::set1(a.share), average), a.average + begin + i, n);
  });
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
