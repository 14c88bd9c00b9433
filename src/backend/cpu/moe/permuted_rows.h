#pragma once
// Tokens grouped by expert.
#include "device/moe.h"

namespace fathom::backend::cpu {

/// Room for `tokens` tokens with `topk` experts each.
device::PermutedRows alloc_permuted_rows(Workspace::Scope& scope, i64 tokens, i64 topk,
                                         i64 experts);

void fill_permuted_rows(View<const i32, 2> topk_indices, const device::PermutedRows& rows);

/// The permuted rows of token t in the order of their experts, and their weights; -1 ends the list.
/// A sum in this order does not depend on the order in which the router named the experts.
///   sorted, sorted_weights  [topk]  overwritten;  weights empty: 1
void sort_by_expert(const device::PermutedRows& rows, View<const i32, 2> topk_indices,
                    View<const float, 2> weights, i64 t, i32* sorted, float* sorted_weights);

}  // namespace fathom::backend::cpu
