#include "backend/cpu/moe/permuted_rows.h"

#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"

namespace fathom::backend::cpu {
namespace {

void group_by_expert(Ctx&, const device::GroupByExpert& op) {
  fill_permuted_rows(op.topk_indices, op.rows);
}

void permute_weights(Ctx&, const device::PermuteWeights& op) {
  for (i64 r = 0; r < op.out.dim(0); ++r) {
    op.out(r) = op.weights(op.rows.tokens(r), op.rows.slots(r));
  }
}

void unpermute_weights(Ctx&, const device::UnpermuteWeights& op) {
  for (i64 t = 0; t < op.out.dim(0); ++t) std::fill_n(op.out.row(t), op.out.dim(1), 0.0f);
  for (i64 r = 0; r < op.x.dim(0); ++r) op.out(op.rows.tokens(r), op.rows.slots(r)) = op.x(r);
}

void combine_rows(Ctx& ctx, const device::CombineRows& op) {
  const i64 tokens = op.y.dim(0), topk = op.topk_indices.dim(1);
  Workspace::Scope scope(ctx.workspace());
  const auto sorted = scope.alloc<i32>(tokens, topk);
  const auto sorted_weights = scope.alloc<float>(tokens, topk);
  const kernels::CombinePermutedArgs args{.x = op.x.data(),
                                          .x_stride = op.x.stride(0),
                                          .rows = sorted.data(),
                                          .weights = sorted_weights.data(),
                                          .y = op.y.data(),
                                          .y_stride = op.y.stride(0),
                                          .topk = topk,
                                          .dim = op.y.dim(1),
                                          .accumulate = op.accumulate};
  for_rows(tokens, topk * args.dim, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      sort_by_expert(op.rows, op.topk_indices, op.weights, t, sorted.row(t), sorted_weights.row(t));
    }
    ctx.isa().moe->combine_permuted_rows(args, begin, end);
  });
}

void combine_rows_backward(Ctx& ctx, const device::CombineRowsBackward& op) {
  const kernels::CombinePermutedBackwardArgs args{.dy = op.dy.data(),
                                                  .dy_stride = op.dy.stride(0),
                                                  .x = op.x.data(),
                                                  .x_stride = op.x.stride(0),
                                                  .row_of = op.rows.row_of.data(),
                                                  .row_of_stride = op.rows.row_of.stride(0),
                                                  .weights = op.weights.data(),
                                                  .weights_stride = op.weights.stride(0),
                                                  .dx = op.dx.data(),
                                                  .dx_stride = op.dx.stride(0),
                                                  .dweights = op.dweights.data(),
                                                  .dweights_stride = op.dweights.stride(0),
                                                  .topk = op.weights.dim(1),
                                                  .dim = op.dy.dim(1)};
  for_rows(op.dy.dim(0), 2 * args.topk * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().moe->combine_permuted_backward_rows(args, begin, end);
  });
}

}  // namespace

device::PermutedRows alloc_permuted_rows(Workspace::Scope& scope, i64 tokens, i64 topk,
                                         i64 experts) {
  return {.offsets = scope.alloc<i32>(experts + 1),
          .tokens = scope.alloc<i32>(tokens * topk),
          .slots = scope.alloc<i32>(tokens * topk),
          .row_of = scope.alloc<i32>(tokens, topk)};
}

void fill_permuted_rows(View<const i32, 2> topk_indices, const device::PermutedRows& rows) {
  const i64 tokens = topk_indices.dim(0), topk = topk_indices.dim(1);
  const i64 experts = rows.offsets.dim(0) - 1;
  // offsets[e + 1] counts expert e, then is where its next row goes, and ends as its end.
  std::fill_n(rows.offsets.data(), experts + 1, 0);
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const i32 expert = topk_indices(t, j);
      if (expert >= 0) ++rows.offsets(expert + 1);
    }
  }
  i32 before = 0;
  for (i64 e = 1; e <= experts; ++e) {
    const i32 count = rows.offsets(e);
    rows.offsets(e) = before;
    before += count;
  }
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const i32 expert = topk_indices(t, j);
      rows.row_of(t, j) = -1;
      if (expert < 0) continue;
      const i32 row = rows.offsets(expert + 1)++;
      rows.tokens(row) = static_cast<i32>(t);
      rows.slots(row) = static_cast<i32>(j);
      rows.row_of(t, j) = row;
    }
  }
}

void sort_by_expert(const device::PermutedRows& rows, View<const i32, 2> topk_indices,
                    View<const float, 2> weights, i64 t, i32* sorted, float* sorted_weights) {
  const i64 topk = topk_indices.dim(1);
  const auto expert_of = [&](i64 slot) { return topk_indices(t, slot); };
  i64 count = 0;
  for (i64 j = 0; j < topk; ++j) {  // insertion sort; `sorted` holds top-k slots at first
    if (rows.row_of(t, j) < 0) continue;
    i64 at = count++;
    for (; at > 0 && expert_of(sorted[at - 1]) > expert_of(j); --at) sorted[at] = sorted[at - 1];
    sorted[at] = static_cast<i32>(j);
  }
  for (i64 k = 0; k < count; ++k) {
    const i32 slot = sorted[k];
    sorted_weights[k] = weights.empty() ? 1.0f : weights(t, slot);
    sorted[k] = rows.row_of(t, slot);
  }
  std::fill(sorted + count, sorted + topk, -1);
}

void set_permuted_rows(device::OpTable& table) {
  table.set(group_by_expert);
  table.set(permute_weights);
  table.set(unpermute_weights);
  table.set(combine_rows);
  table.set(combine_rows_backward);
}

}  // namespace fathom::backend::cpu
