#pragma once
#include <cmath>

#include "base/types.h"

namespace fathom::kernels::ref {

struct AdamWRule {
  double lr, beta1, beta2, eps, weight_decay;
  i64 step;  // 1 for the first
};

/// AdamW (Loshchilov & Hutter 2019) on one number, as torch.optim.AdamW.
template <typename T>
void adamw(T& p, T g, T& m, T& v, const AdamWRule& rule) {
  const auto power = [&](double beta) { return std::pow(beta, static_cast<double>(rule.step)); };
  p -= static_cast<T>(rule.lr * rule.weight_decay) * p;
  m = static_cast<T>(rule.beta1) * m + static_cast<T>(1.0 - rule.beta1) * g;
  v = static_cast<T>(rule.beta2) * v + static_cast<T>(1.0 - rule.beta2) * g * g;
  const T m_hat = m / static_cast<T>(1.0 - power(rule.beta1));
  const T v_hat = v / static_cast<T>(1.0 - power(rule.beta2));
  p -= static_cast<T>(rule.lr) * m_hat / (std::sqrt(v_hat) + static_cast<T>(rule.eps));
}

}  // namespace fathom::kernels::ref
