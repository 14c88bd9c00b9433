#pragma once
#include "kernels/api/moe_train.h"
#include "kernels/cpu/isa/each_vec.inl"
#include "kernels/cpu/moe/router.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

void router_scores_rows(const RouterScoresArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    score_row(a.softmax, a.experts, a.logits + t * a.logits_stride, a.scores + t * a.scores_stride);
  }
}

/// counts [experts] accumulated. scratch: [experts].
void count_topk_rows(const CountTopkArgs& a, int64_t begin, int64_t end, int64_t* counts,
                     float* scratch) {
  const Vec never = Vec::set1(kNever);
  for (int64_t t = begin; t < end; ++t) {
    const float* scores = a.scores + t * a.scores_stride;
    each_vec(a.experts, [&](int64_t i, auto n) {  // max(): a NaN becomes -inf
      store_n(max(load_n(scores + i, n), never), scratch + i, n);
    });
    for (int64_t j = 0; j < a.topk; ++j) ++counts[take_largest(scratch, a.experts)];
  }
}

/// ds of the balance losses: J^T dnormalised, J of s'_e = s_e / (sum s + 1e-20).
inline void normalised_backward(const float* dnormalised, int64_t experts, const float* scores,
                                float* ds) {
  Vec sum = Vec::zero(), dot = Vec::zero();
  each_vec(experts, [&](int64_t i, auto n) {
    const Vec s = load_n(scores + i, n);
    sum = sum + s;
    dot = fma(load_n(dnormalised + i, n), s, dot);
  });
  const float total = reduce_add(sum) + 1e-20f;
  const Vec mean = Vec::set1(reduce_add(dot) / total), divisor = Vec::set1(total);
  each_vec(experts, [&](int64_t i, auto n) {
    store_n((load_n(dnormalised + i, n) - mean) / divisor, ds + i, n);
  });
}

/// ds += J^T dweights, J of g_i = f s_i / (sum_I s + 1e-20), or of f s_i.
inline void chosen_backward(const RouterBackwardArgs& a, const int32_t* chosen,
                            const float* dweights, const float* scores, float* ds) {
  float sum = 0.0f, dot = 0.0f;
  for (int64_t j = 0; j < a.topk; ++j) {
    if (chosen[j] < 0) continue;
    sum += scores[chosen[j]];
    dot += dweights[j] * scores[chosen[j]];
  }
  const float divisor = a.norm_topk_prob ? sum + 1e-20f : 1.0f;
  const float mean = a.norm_topk_prob ? dot / divisor : 0.0f;
  for (int64_t j = 0; j < a.topk; ++j) {
    if (chosen[j] < 0) continue;
    ds[chosen[j]] += a.routed_scaling_factor * ((dweights[j] - mean) / divisor);
  }
}

/// dlogits from ds, in place.
inline void score_backward(bool softmax, int64_t experts, const float* scores, float* ds) {
  if (!softmax) {
    each_vec(experts, [&](int64_t i, auto n) {
      const Vec s = load_n(scores + i, n);
      store_n(load_n(ds + i, n) * (s * (Vec::set1(1.0f) - s)), ds + i, n);
    });
    return;
  }
  Vec dot = Vec::zero();
  each_vec(experts,
           [&](int64_t i, auto n) { dot = fma(load_n(ds + i, n), load_n(scores + i, n), dot); });
  const Vec mean = Vec::set1(reduce_add(dot));
  each_vec(experts, [&](int64_t i, auto n) {
    store_n((load_n(ds + i, n) - mean) * load_n(scores + i, n), ds + i, n);
  });
}

void router_entropy_rows(const RouterEntropyArgs& a, int64_t begin, int64_t end) {
  const Vec smallest = Vec::set1(0x1p-126f);  // s log s of less is nothing
  for (int64_t t = begin; t < end; ++t) {
    const float* scores = a.scores + t * a.scores_stride;
    Vec sum = Vec::zero(), sum_log = Vec::zero();
    each_vec(a.experts, [&](int64_t i, auto n) {
      const Vec s = load_n(scores + i, n);
      sum = sum + s;
      sum_log = sum_log + s * log(max(smallest, s));  // max(): a NaN stays
    });
    a.sums[2 * t] = reduce_add(sum);
    a.sums[2 * t + 1] = reduce_add(sum_log);
  }
}

void router_backward_rows(const RouterBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const float* scores = a.scores + t * a.scores_stride;
    float* ds = a.dlogits + t * a.dlogits_stride;
    if (a.dnormalised != nullptr) {
      normalised_backward(a.dnormalised, a.experts, scores, ds);
    } else {
      each_vec(a.experts, [&](int64_t i, auto n) { store_n(Vec::zero(), ds + i, n); });
    }
    chosen_backward(a, a.topk_indices + t * a.indices_stride,
                    a.dtopk_weights + t * a.dweights_stride, scores, ds);
    score_backward(a.softmax, a.experts, scores, ds);
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
