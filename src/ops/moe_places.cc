// Rows on their way to the experts and back.
#include <algorithm>

#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"
#include "ops/checks.h"
#include "ops/moe_train.h"

namespace fathom::ops {
namespace {

/// The places of a token in the order of their experts, and their weights; -1 ends the list.
void sort_by_expert(const ExpertRows& rows, View<const i32, 2> topk_indices,
                    View<const float, 2> weights, i64 t, i32* places, float* place_weights) {
  const i64 topk = topk_indices.dim(1);
  const auto expert_of = [&](i64 j) { return topk_indices(t, j); };
  i64 count = 0;
  for (i64 j = 0; j < topk; ++j) {  // insertion; `places` holds slots at first
    if (rows.place_of(t, j) < 0) continue;
    i64 at = count++;
    for (; at > 0 && expert_of(places[at - 1]) > expert_of(j); --at) places[at] = places[at - 1];
    places[at] = static_cast<i32>(j);
  }
  for (i64 k = 0; k < count; ++k) {
    const i32 slot = places[k];
    place_weights[k] = weights.empty() ? 1.0f : weights(t, slot);
    places[k] = rows.place_of(t, slot);
  }
  std::fill(places + count, places + topk, -1);
}

void check_places(const ExpertRows& rows, i64 places) {
  const i64 topk = rows.place_of.dim(1);
  for (i64 t = 0; t < rows.place_of.dim(0); ++t) {
    for (i64 j = 0; j < topk; ++j) {
      FATHOM_CHECK(rows.place_of(t, j) < places, "place ", rows.place_of(t, j), " of token ", t,
                   ", of ", places);
    }
  }
}

}  // namespace

void group_by_expert(View<const i32, 2> topk_indices, const ExpertRows& rows) {
  const i64 tokens = topk_indices.dim(0), topk = topk_indices.dim(1);
  const i64 experts = rows.offsets.dim(0) - 1;
  FATHOM_CHECK(experts >= 1 && rows.place_of.dims() == topk_indices.dims() &&
                   rows.tokens.dim(0) == tokens * topk && rows.slots.dim(0) == tokens * topk,
               "offsets ", rows.offsets, ", tokens ", rows.tokens, ", slots ", rows.slots,
               " and place_of ", rows.place_of, " vs topk_indices ", topk_indices);
  // offsets[e + 1] counts expert e, then is where its next row goes, and ends as its end.
  std::fill_n(rows.offsets.data(), experts + 1, 0);
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const i32 expert = topk_indices(t, j);
      FATHOM_CHECK(expert >= -1 && expert < experts, "expert ", expert, " of token ", t, ", of ",
                   experts);
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
      rows.place_of(t, j) = -1;
      if (expert < 0) continue;
      const i32 place = rows.offsets(expert + 1)++;
      rows.tokens(place) = static_cast<i32>(t);
      rows.slots(place) = static_cast<i32>(j);
      rows.place_of(t, j) = place;
    }
  }
}

void combine_places(Ctx& ctx, View<const float, 2> x, const ExpertRows& rows,
                    View<const i32, 2> topk_indices, View<const float, 2> weights, bool accumulate,
                    View<float, 2> y) {
  require_cpu(ctx, "combine_places");
  const i64 tokens = y.dim(0), topk = topk_indices.dim(1);
  FATHOM_CHECK(topk_indices.dim(0) == tokens && rows.place_of.dims() == topk_indices.dims() &&
                   (weights.empty() || weights.dims() == topk_indices.dims()),
               "topk_indices ", topk_indices, ", weights ", weights, " and place_of ",
               rows.place_of, " vs y ", y);
  FATHOM_CHECK(x.dim(1) == y.dim(1), "x ", x, " vs y ", y);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x,
               " and y must be contiguous");
  check_places(rows, x.dim(0));
  Workspace::Scope scope(ctx.workspace());
  const auto places = scope.alloc<i32>(tokens, topk);
  const auto place_weights = scope.alloc<float>(tokens, topk);
  const kernels::CombinePlacesArgs args{.x = x.data(),
                                        .x_stride = x.stride(0),
                                        .rows = places.data(),
                                        .weights = place_weights.data(),
                                        .y = y.data(),
                                        .y_stride = y.stride(0),
                                        .topk = topk,
                                        .dim = y.dim(1),
                                        .accumulate = accumulate};
  ctx.for_rows(tokens, topk * args.dim, [&](i64 begin, i64 end) {
    for (i64 t = begin; t < end; ++t) {
      sort_by_expert(rows, topk_indices, weights, t, places.row(t), place_weights.row(t));
    }
    ctx.isa().moe->combine_places_rows(args, begin, end);
  });
}

void combine_places_backward(Ctx& ctx, View<const float, 2> dy, View<const float, 2> x,
                             const ExpertRows& rows, View<const float, 2> weights,
                             View<float, 2> dx, View<float, 2> dweights) {
  require_cpu(ctx, "combine_places_backward");
  const i64 tokens = dy.dim(0);
  FATHOM_CHECK(weights.dims() == rows.place_of.dims() && dweights.dims() == weights.dims() &&
                   weights.dim(0) == tokens,
               "weights ", weights, ", dweights ", dweights, " and place_of ", rows.place_of,
               " vs dy ", dy);
  FATHOM_CHECK(dx.dims() == x.dims() && x.dim(1) == dy.dim(1), "dx ", dx, " and x ", x, " vs dy ",
               dy);
  FATHOM_CHECK(last_axis_contiguous(dy) && last_axis_contiguous(x) && last_axis_contiguous(dx) &&
                   last_axis_contiguous(weights) && last_axis_contiguous(dweights) &&
                   last_axis_contiguous(rows.place_of),
               "the last axis of dy ", dy, " and of all others must be contiguous");
  check_places(rows, x.dim(0));
  const kernels::CombinePlacesBackwardArgs args{.dy = dy.data(),
                                                .dy_stride = dy.stride(0),
                                                .x = x.data(),
                                                .x_stride = x.stride(0),
                                                .place_of = rows.place_of.data(),
                                                .place_stride = rows.place_of.stride(0),
                                                .weights = weights.data(),
                                                .weights_stride = weights.stride(0),
                                                .dx = dx.data(),
                                                .dx_stride = dx.stride(0),
                                                .dweights = dweights.data(),
                                                .dweights_stride = dweights.stride(0),
                                                .topk = weights.dim(1),
                                                .dim = dy.dim(1)};
  ctx.for_rows(tokens, 2 * args.topk * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().moe->combine_places_backward_rows(args, begin, end);
  });
}

}  // namespace fathom::ops
