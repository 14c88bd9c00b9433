#pragma once
#include <vector>

#include "kernels/ref/attention.h"

namespace fathom::kernels::ref {

/// Attention of the queries of one prefill: query t stands at first_position + t and sees the keys
/// 0 .. first_position + t. Views as attention_forward() takes them.
template <typename T>
void prefill_attention_forward(View<const T, 3> q, View<const T, 3> k, View<const T, 3> q_rope,
                               View<const T, 3> k_rope, View<const T, 3> v, i64 first_position,
                               T scale, View<T, 3> out) {
  std::vector<i64> positions;
  for (i64 t = 0; t < q.dim(0); ++t) positions.push_back(first_position + t);
  attention_forward<T>(q, k, q_rope, k_rope, v, {positions.data(), {q.dim(0)}}, scale, out);
}

}  // namespace fathom::kernels::ref
