#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "tensor/view.h"

namespace fathom::kernels::ref {

struct RouterRule {
  bool softmax = false;
  i64 n_group = 1, topk_group = 1;  // equal: no group is dropped
  bool group_sum_top2 = true;
  bool norm_topk_prob = true;
  double routed_scaling_factor = 1.0;
};

/// DeepSeek-V3 §2.1.2, eqs (13)-(16), for one token; `bias` may be empty. The chosen experts by
/// falling biased score, the lower index first among equals.
template <typename T>
std::vector<std::pair<i64, T>> moe_route(const std::vector<T>& logits, const std::vector<T>& bias,
                                         const RouterRule& rule, i64 topk) {
  const i64 experts = static_cast<i64>(logits.size());
  const auto at = [](const auto& v, i64 i) { return v[static_cast<size_t>(i)]; };
  std::vector<T> scores;
  if (rule.softmax) {
    const T largest = *std::max_element(logits.begin(), logits.end());
    T sum = 0;
    for (const T z : logits) sum += std::exp(z - largest);
    for (const T z : logits) scores.push_back(std::exp(z - largest) / sum);
  } else {
    for (const T z : logits) scores.push_back(T(1) / (T(1) + std::exp(-z)));
  }
  std::vector<T> choice = scores;
  for (size_t i = 0; i < bias.size(); ++i) choice[i] += bias[i];

  const auto by_value = [&](const std::vector<T>& values) {
    std::vector<i64> order(values.size());
    std::iota(order.begin(), order.end(), i64{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](i64 a, i64 b) { return at(values, a) > at(values, b); });
    return order;
  };
  if (rule.topk_group < rule.n_group) {
    const i64 size = experts / rule.n_group;
    std::vector<T> group_scores;
    for (i64 g = 0; g < rule.n_group; ++g) {
      std::vector<T> members(choice.begin() + g * size, choice.begin() + (g + 1) * size);
      std::sort(members.rbegin(), members.rend());
      group_scores.push_back(rule.group_sum_top2 && size > 1 ? members[0] + members[1]
                                                             : members[0]);
    }
    const auto order = by_value(group_scores);
    for (i64 rank = rule.topk_group; rank < rule.n_group; ++rank) {
      const i64 g = at(order, rank);
      std::fill_n(choice.begin() + g * size, size, -INFINITY);
    }
  }
  const auto order = by_value(choice);
  T sum = 0;
  for (i64 j = 0; j < topk; ++j) sum += at(scores, at(order, j));
  const T divisor = rule.norm_topk_prob ? sum + T(1e-20) : T(1);
  std::vector<std::pair<i64, T>> chosen;
  for (i64 j = 0; j < topk; ++j) {
    const i64 expert = at(order, j);
    chosen.emplace_back(expert,
                        at(scores, expert) / divisor * static_cast<T>(rule.routed_scaling_factor));
  }
  return chosen;
}

}  // namespace fathom::kernels::ref
