#pragma once
// The routed experts of a layer: tokens permuted by expert, and the two ways to run them.
#include <span>

#include "backend/cpu/moe/permuted_rows.h"
#include "device/moe.h"

namespace fathom::backend::cpu {

/// One layer's experts with the rows of some tokens, and the shared expert of them all.
struct ExpertLayer {
  View<const float, 2> x;    // [tokens, hidden]
  View<const i32, 1> token;  // [rows] the token of each permuted row
  View<const i32, 1> begin;  // [experts + 1] the first row of each expert
  std::span<const device::FfnWeights> experts;
  const device::FfnWeights* shared;  // nullptr: none
  device::LinearMode mode;

  // The rows of each token in the order of their experts, and their weights, [tokens, topk].
  View<const i32, 2> sorted;
  View<const float, 2> sorted_weights;

  i64 first_row(size_t expert) const { return begin(static_cast<i64>(expert)); }
  i64 rows_of(size_t expert) const { return first_row(expert + 1) - first_row(expert); }

  /// fn(expert, first row, rows) for every expert that has any.
  template <typename Fn>
  void for_used(Fn&& fn) const {
    for (size_t e = 0; e < experts.size(); ++e) {
      if (rows_of(e) > 0) fn(e, first_row(e), rows_of(e));
    }
  }
};

/// Are there enough experts with rows that threads take whole ones?
bool suits_expert_parallel(const ExpertLayer& layer);
/// Each thread takes some rows of one expert from x to y.
void run_expert_parallel(Ctx& ctx, const ExpertLayer& layer, View<float, 2> y);
/// All threads share the output rows of each product.
void run_row_parallel(Ctx& ctx, const ExpertLayer& layer, View<float, 2> y);

/// y[t] = the weighted sum of the token's rows, which stand in `rows` from row `begin` on; with
/// begin > 0 added to the sum over the rows before.
void combine_rows(Ctx& ctx, const ExpertLayer& layer, View<const float, 2> rows, i64 begin, i64 end,
                  View<float, 2> y);

}  // namespace fathom::backend::cpu
