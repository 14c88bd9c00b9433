#include "device/run.h"
#include "ops/checks.h"
#include "ops/moe/moe.h"

namespace fathom::ops {
namespace {

/// gate_proj and up_proj read the same input.
void check_ffn(View<const float, 2> x, const FfnWeights& w, View<float, 2> y) {
  FATHOM_CHECK(w.gate_proj.same_type(w.up_proj), "gate_proj ", w.gate_proj, " vs up_proj ",
               w.up_proj);
  FATHOM_CHECK(x.dim(1) == w.gate_proj.cols && x.dim(1) == w.up_proj.cols &&
                   w.gate_proj.rows == w.up_proj.rows,
               "x ", x, " vs gate_proj ", w.gate_proj, " and up_proj ", w.up_proj);
  FATHOM_CHECK(
      y.dim(0) == x.dim(0) && y.dim(1) == w.down_proj.rows && w.down_proj.cols == w.gate_proj.rows,
      "y ", y, " and down_proj ", w.down_proj, " vs x ", x, " and gate_proj ", w.gate_proj);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x, " and y ", y,
               " must be contiguous");
  check_stored_type(w.gate_proj, "ffn_forward");
  check_stored_type(w.up_proj, "ffn_forward");
  check_stored_type(w.down_proj, "ffn_forward");
}

bool is_like(const MatRef& a, const MatRef& b) {
  return a.same_type(b) && a.rows == b.rows && a.cols == b.cols &&
         (a.scale == nullptr) == (b.scale == nullptr) &&
         (a.group_scale == nullptr) == (b.group_scale == nullptr);
}

void check_alike(const FfnWeights& w, const FfnWeights& first) {
  FATHOM_CHECK(is_like(w.gate_proj, first.gate_proj) && is_like(w.up_proj, first.up_proj) &&
                   is_like(w.down_proj, first.down_proj),
               "experts of one layer must have one shape and one stored type: gate_proj ",
               w.gate_proj, " vs ", first.gate_proj, ", down_proj ", w.down_proj, " vs ",
               first.down_proj);
}

/// No choice is dropped.
void check_all_chosen(View<const i32, 2> topk_indices, i64 experts) {
  for (i64 t = 0; t < topk_indices.dim(0); ++t) {
    for (i64 j = 0; j < topk_indices.dim(1); ++j) {
      const i32 expert = topk_indices(t, j);
      FATHOM_CHECK(expert >= 0 && expert < experts, "expert ", expert, " of token ", t, ", of ",
                   experts);
    }
  }
}

}  // namespace

void ffn_forward(Ctx& ctx, View<const float, 2> x, const FfnWeights& w, View<float, 2> y,
                 LinearMode mode) {
  check_ffn(x, w, y);
  run(ctx, device::FfnForward{.x = x, .w = w, .y = y, .mode = mode});
}

void moe_experts_forward(Ctx& ctx, View<const float, 2> x, std::span<const FfnWeights> experts,
                         View<const i32, 2> topk_indices, View<const float, 2> topk_weights,
                         View<float, 2> y, LinearMode mode, const FfnWeights* shared) {
  FATHOM_CHECK(topk_indices.dims() == topk_weights.dims() && topk_indices.dim(0) == x.dim(0),
               "topk_indices ", topk_indices, " and topk_weights ", topk_weights, " vs x ", x);
  FATHOM_CHECK(y.dims() == x.dims(), "y ", y, " vs x ", x);
  FATHOM_CHECK(!experts.empty(), "a layer without experts");
  check_ffn(x, experts[0], y);
  for (const FfnWeights& expert : experts) check_alike(expert, experts[0]);
  if (shared != nullptr) check_ffn(x, *shared, y);
  check_all_chosen(topk_indices, std::ssize(experts));
  run(ctx, device::MoeExpertsForward{.x = x,
                                     .experts = experts,
                                     .topk_indices = topk_indices,
                                     .topk_weights = topk_weights,
                                     .y = y,
                                     .mode = mode,
                                     .shared = shared});
}

}  // namespace fathom::ops
