#include "ops/linear/linear.h"

#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {
namespace {

void check_linear(View<const float, 2> x, const MatRef& w, View<float, 2> y) {
  FATHOM_CHECK(last_axis_contiguous(x), "rows of x ", x, " must be contiguous");
  FATHOM_CHECK(x.dim(1) == w.cols, "x ", x, " vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == w.rows, "y ", y, " vs x ", x, " and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  check_stored_type(w, "linear_forward");
}

/// [tokens, heads, dim] can be read as [tokens * heads, dim].
void check_heads(View<const float, 3> x) {
  FATHOM_CHECK(x.stride(2) == 1 && (x.dim(0) <= 1 || x.stride(0) == x.dim(1) * x.stride(1)),
               "the heads of x ", x, " must be equally spaced");
}

}  // namespace

void linear_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                    LinearMode mode) {
  const LinearOutput output{w, y};
  linears_forward(ctx, x, {&output, 1}, mode);
}

void linears_forward(Ctx& ctx, View<const float, 2> x, std::span<const LinearOutput> outputs,
                     LinearMode mode) {
  for (const LinearOutput& output : outputs) check_linear(x, output.w, output.y);
  run(ctx, device::LinearForward{.x = x, .outputs = outputs, .mode = mode});
}

void linear_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w, const HeadBands& bands,
                          View<float, 3> y, Activations activations) {
  FATHOM_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == x.dim(1) && y.dim(2) == bands.count, "y ", y,
               " vs x ", x, " and bands of ", bands.count, " rows");
  FATHOM_CHECK(x.dim(2) == w.cols, "x ", x, " vs weight ", w);
  check_heads(x);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  check_stored_type(w, "linear_heads_forward");
  run(ctx, device::LinearHeadsForward{
               .x = x, .w = w, .bands = bands, .y = y, .activations = activations});
}

void linear_transposed_forward(Ctx& ctx, View<const float, 2> x, const MatRef& w, View<float, 2> y,
                               Activations activations) {
  FATHOM_CHECK(x.dim(1) == w.rows, "x ", x, " vs weight ", w);
  FATHOM_CHECK(y.dim(0) == x.dim(0) && y.dim(1) == w.cols, "y ", y, " vs x ", x, " and weight ", w);
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(y), "rows of x ", x, " and y ", y,
               " must be contiguous");
  check_stored_type(w, "linear_transposed_forward");
  run(ctx, device::LinearTransposedForward{.x = x, .w = w, .y = y, .activations = activations});
}

void linear_transposed_heads_forward(Ctx& ctx, View<const float, 3> x, const MatRef& w,
                                     const HeadBands& bands, View<float, 3> y,
                                     Activations activations) {
  const i64 tokens = x.dim(0), heads = x.dim(1);
  FATHOM_CHECK(
      x.dim(2) == bands.count && y.dim(0) == tokens && y.dim(1) == heads && y.dim(2) == w.cols,
      "x ", x, " and y ", y, " vs weight ", w, " in bands of ", bands.count, " rows");
  check_heads(x);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  check_stored_type(w, "linear_transposed_heads_forward");
  run(ctx, device::LinearTransposedHeadsForward{
               .x = x, .w = w, .bands = bands, .y = y, .activations = activations});
}

}  // namespace fathom::ops
