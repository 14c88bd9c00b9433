// Rows on their way to the experts and back.
#include <limits>

#include "device/run.h"
#include "ops/checks.h"
#include "ops/moe/moe_train.h"

namespace fathom::ops {
namespace {

void check_permuted(const PermutedRows& rows, i64 count) {
  for (i64 t = 0; t < rows.row_of.dim(0); ++t) {
    for (i64 j = 0; j < rows.row_of.dim(1); ++j) {
      FATHOM_CHECK(rows.row_of(t, j) < count, "row ", rows.row_of(t, j), " of token ", t, ", of ",
                   count);
    }
  }
}

/// Weights [tokens, topk] of `count` permuted rows.
void check_weights(View<const float, 2> weights, const PermutedRows& rows, i64 count) {
  FATHOM_CHECK(weights.dims() == rows.row_of.dims(), "weights ", weights, " vs row_of ",
               rows.row_of);
  FATHOM_CHECK(count <= rows.tokens.dim(0) && count <= rows.slots.dim(0), count,
               " permuted rows of tokens ", rows.tokens, " and slots ", rows.slots);
}

}  // namespace

void group_by_expert(Ctx& ctx, View<const i32, 2> topk_indices, const PermutedRows& rows) {
  const i64 tokens = topk_indices.dim(0), topk = topk_indices.dim(1);
  const i64 experts = rows.offsets.dim(0) - 1;
  FATHOM_CHECK(experts >= 1 && rows.row_of.dims() == topk_indices.dims() &&
                   rows.tokens.dim(0) == tokens * topk && rows.slots.dim(0) == tokens * topk,
               "offsets ", rows.offsets, ", tokens ", rows.tokens, ", slots ", rows.slots,
               " and row_of ", rows.row_of, " vs topk_indices ", topk_indices);
  FATHOM_CHECK(tokens * topk <= std::numeric_limits<i32>::max(), tokens * topk,
               " permuted rows are more than 32 bits number");
  check_choices(topk_indices, experts);
  run(ctx, device::GroupByExpert{.topk_indices = topk_indices, .rows = rows});
}

void permute_weights(Ctx& ctx, View<const float, 2> weights, const PermutedRows& rows,
                     View<float, 1> out) {
  check_weights(weights, rows, out.dim(0));
  run(ctx, device::PermuteWeights{.weights = weights, .rows = rows, .out = out});
}

void unpermute_weights(Ctx& ctx, View<const float, 1> x, const PermutedRows& rows,
                       View<float, 2> out) {
  check_weights(out, rows, x.dim(0));
  FATHOM_CHECK(last_axis_contiguous(out), "rows of out ", out, " must be contiguous");
  run(ctx, device::UnpermuteWeights{.x = x, .rows = rows, .out = out});
}

void combine_rows(Ctx& ctx, View<const float, 2> x, const PermutedRows& rows,
                  View<const i32, 2> topk_indices, View<const float, 2> weights, bool accumulate,
                  View<float, 2> y) {
  FATHOM_CHECK(topk_indices.dim(0) == y.dim(0) && rows.row_of.dims() == topk_indices.dims() &&
                   (weights.empty() || weights.dims() == topk_indices.dims()),
               "topk_indices ", topk_indices, ", weights ", weights, " and row_of ", rows.row_of,
               " vs y ", y);
  FATHOM_CHECK(x.dim(1) == y.dim(1), "x ", x, " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x,
               " and y must be contiguous");
  check_permuted(rows, x.dim(0));
  run(ctx, device::CombineRows{.x = x,
                               .rows = rows,
                               .topk_indices = topk_indices,
                               .weights = weights,
                               .accumulate = accumulate,
                               .y = y});
}

void combine_rows_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                           const PermutedRows& rows, View<const float, 2> weights,
                           View<float, 2> dx, View<float, 2> dweights) {
  FATHOM_CHECK(weights.dims() == rows.row_of.dims() && dweights.dims() == weights.dims() &&
                   weights.dim(0) == dy.dim(0),
               "weights ", weights, ", dweights ", dweights, " and row_of ", rows.row_of, " vs dy ",
               dy);
  FATHOM_CHECK(dx.dims() == x.dims() && x.dim(1) == dy.dim(1), "dx ", dx, " and x ", x, " vs dy ",
               dy);
  FATHOM_CHECK(last_axis_contiguous(dy) && last_axis_contiguous(x) && last_axis_contiguous(dx) &&
                   last_axis_contiguous(weights) && last_axis_contiguous(dweights) &&
                   last_axis_contiguous(rows.row_of),
               "the last axis of dy ", dy, " and of all others must be contiguous");
  check_permuted(rows, x.dim(0));
  run(ctx, device::CombineRowsBackward{
               .dy = dy, .x = x, .rows = rows, .weights = weights, .dx = dx, .dweights = dweights});
}

}  // namespace fathom::ops
