#pragma once
#include "kernels/api/moe.h"
#include "kernels/cpu/moe/router.inl"

namespace fathom::kernels::cpu::FATHOM_ISA {
namespace {

/// Masks all but the topk_group best groups with -inf. `list_*` hold topk_group entries.
void drop_groups(const MoeRouteArgs& a, float* choice, float* list_scores, int32_t* list_indices) {
  const int64_t group_size = a.experts / a.n_group;
  Best kept{list_scores, list_indices, a.topk_group, 0};
  for (int64_t g = 0; g < a.n_group; ++g) {
    float first = kNever, second = kNever;
    for (int64_t i = g * group_size; i < (g + 1) * group_size; ++i) {
      if (choice[i] > first) {
        second = first;
        first = choice[i];
      } else if (choice[i] > second) {
        second = choice[i];
      }
    }
    const bool sum = a.group_sum_top2 && group_size > 1;
    kept.offer(sum ? first + second : first, static_cast<int32_t>(g));
  }
  for (int64_t g = 0; g < a.n_group; ++g) {
    bool keep = false;
    for (int64_t i = 0; i < kept.count; ++i) keep = keep || kept.indices[i] == g;
    if (keep) continue;
    for (int64_t i = g * group_size; i < (g + 1) * group_size; ++i) choice[i] = kNever;
  }
}

/// scratch: [2 * experts + max(topk, topk_group)] floats, then as many int32.
void moe_route_rows(const MoeRouteArgs& a, int64_t begin, int64_t end, float* scratch) {
  float* scores = scratch;
  float* choice = scores + a.experts;  // biased, masked
  float* list_scores = choice + a.experts;
  const int64_t list = a.topk > a.topk_group ? a.topk : a.topk_group;
  int32_t* list_indices = reinterpret_cast<int32_t*>(list_scores + list);
  for (int64_t token = begin; token < end; ++token) {
    score_row(a.softmax, a.experts, a.logits + token * a.logits_stride, scores);
    for (int64_t i = 0; i < a.experts; ++i) {
      const float biased = a.bias != nullptr ? scores[i] + a.bias[i] : scores[i];
      choice[i] = biased == biased ? biased : kNever;
    }
    if (a.group_limited) drop_groups(a, choice, list_scores, list_indices);

    int32_t* indices = a.topk_indices + token * a.indices_stride;
    for (int64_t j = 0; j < a.topk; ++j) indices[j] = take_largest(choice, a.experts);

    float* weights = a.topk_weights + token * a.weights_stride;
    float sum = 0.0f;
    for (int64_t j = 0; j < a.topk; ++j) {
      weights[j] = scores[indices[j]];
      sum += weights[j];
    }
    const float divisor = a.norm_topk_prob ? sum + 1e-20f : 1.0f;
    for (int64_t j = 0; j < a.topk; ++j) {
      weights[j] = weights[j] / divisor * a.routed_scaling_factor;
    }
  }
}

}  // namespace
}  // namespace fathom::kernels::cpu::FATHOM_ISA
