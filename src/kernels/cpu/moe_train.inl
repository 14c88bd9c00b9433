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

/// Natural logarithm of normal x > 0, absolute error below 2e-7 plus 6e-8 of the result; NaN stays.
/// Cephes' logf.
inline Vec log(Vec x) {
  constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f, kSqrt2 = 1.41421356f;
  Vec exponent;
  const Vec m = split_exponent(x, &exponent), one = Vec::set1(1.0f), half = Vec::set1(0.5f);
  const Vec upper = select_less(Vec::set1(kSqrt2), m, one, Vec::zero());
  const Vec n = exponent + upper;
  const Vec f = (m - upper * half * m) - one;  // in [1/sqrt 2 - 1, sqrt 2 - 1]
  constexpr float kTerms[] = {-1.1514610310e-1f, 1.1676998740e-1f,  -1.2420140846e-1f,
                              1.4249322787e-1f,  -1.6668057665e-1f, 2.0000714765e-1f,
                              -2.4999993993e-1f, 3.3333331174e-1f};
  Vec p = Vec::set1(7.0376836292e-2f);
  for (const float c : kTerms) p = fma(p, f, Vec::set1(c));
  const Vec square = f * f;
  const Vec tail = fma(n, Vec::set1(kLn2Low), fma(p, f * square, Vec::zero() - half * square));
  return keep_nan(x, fma(n, Vec::set1(kLn2High), f + tail));
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

void combine_places_rows(const CombinePlacesArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const int32_t* rows = a.rows + t * a.topk;
    const float* weights = a.weights + t * a.topk;
    float* y = a.y + t * a.y_stride;
    int64_t count = 0;
    while (count < a.topk && rows[count] >= 0) ++count;
    each_vec(a.dim, [&](int64_t i, auto n) {
      Vec sum = Vec::zero();
      for (int64_t j = 0; j < count; ++j) {
        sum = fma(Vec::set1(weights[j]), load_n(a.x + rows[j] * a.x_stride + i, n), sum);
      }
      store_n(a.accumulate ? load_n(y + i, n) + sum : sum, y + i, n);
    });
  }
}

void combine_places_backward_rows(const CombinePlacesBackwardArgs& a, int64_t begin, int64_t end) {
  for (int64_t t = begin; t < end; ++t) {
    const float* dy = a.dy + t * a.dy_stride;
    for (int64_t j = 0; j < a.topk; ++j) {
      const int32_t place = a.place_of[t * a.place_stride + j];
      float* dweight = a.dweights + t * a.dweights_stride + j;
      if (place < 0) {
        *dweight = 0.0f;
        continue;
      }
      const Vec weight = Vec::set1(a.weights[t * a.weights_stride + j]);
      const float* x = a.x + place * a.x_stride;
      float* dx = a.dx + place * a.dx_stride;
      Vec dot = Vec::zero();
      each_vec(a.dim, [&](int64_t i, auto n) {
        const Vec g = load_n(dy + i, n);
        dot = fma(g, load_n(x + i, n), dot);
        store_n(weight * g, dx + i, n);
      });
      *dweight = reduce_add(dot);
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
