#include "ops/quantize/quantize.h"

#include "base/checked_math.h"
#include "device/run.h"
#include "ops/checks.h"

namespace fathom::ops {

void quantize_blocks(Ctx& ctx, View<const float, 2> x, ScaleFormat format, View<Fp8E4M3, 2> q,
                     View<float, 2> scale) {
  FATHOM_CHECK(x.dims() == q.dims(), "x ", x, " vs q ", q);
  const i64 block_rows = ceil_div(x.dim(0), kFp8Block), block_cols = ceil_div(x.dim(1), kFp8Block);
  FATHOM_CHECK(scale.dim(0) == block_rows && scale.dim(1) == block_cols, "scale ", scale, " vs x ",
               x, ": expected [", block_rows, ", ", block_cols, "]");
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(q) && last_axis_contiguous(scale),
               "rows of x ", x, ", q and scale must be contiguous");
  run(ctx, device::QuantizeBlocks{.x = x, .format = format, .q = q, .scale = scale});
}

void dequantize(Ctx& ctx, const MatRef& w, View<float, 2> out) {
  FATHOM_CHECK(out.dim(0) == w.rows && out.dim(1) == w.cols, "out ", out, " vs weight ", w);
  FATHOM_CHECK(last_axis_contiguous(out), "rows of out ", out, " must be contiguous");
  check_stored_type(w, "dequantize");
  run(ctx, device::Dequantize{.w = w, .out = out});
}

namespace {

void check_rows(const PagedRows& rows, View<const float, 2> numbers, i64 first_row) {
  const CacheRowLayout& layout = rows.layout;
  const i64 quantised = layout.quantised_cols();
  FATHOM_CHECK(layout.cols >= 0 && quantised >= 0 && quantised <= layout.cols, "cache row of ",
               layout.cols, " numbers, ", layout.fp8_cols, " of them in FP8");
  FATHOM_CHECK(numbers.dim(1) == layout.cols && last_axis_contiguous(numbers), "rows ", numbers,
               " must be contiguous, with the ", layout.cols, " numbers of a cache's");
  FATHOM_CHECK(first_row >= 0 && (rows.pages != nullptr || numbers.dim(0) == 0), "first row ",
               first_row);
}

}  // namespace

void cache_store_rows(Ctx& ctx, View<const float, 2> x, const PagedRows& rows, i64 first_row) {
  check_rows(rows, x, first_row);
  run(ctx, device::CacheStoreRows{.x = x, .rows = rows, .first_row = first_row});
}

void cache_load_rows(Ctx& ctx, const PagedRows& rows, i64 first_row, View<float, 2> out) {
  check_rows(rows, out, first_row);
  run(ctx, device::CacheLoadRows{.rows = rows, .first_row = first_row, .out = out});
}

}  // namespace fathom::ops
