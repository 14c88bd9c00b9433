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

void check_layout(const CacheRowLayout& layout) {
  const i64 quantised = layout.quantised_cols();
  FATHOM_CHECK(layout.cols >= 0 && quantised >= 0 && quantised <= layout.cols, "cache row of ",
               layout.cols, " numbers, ", layout.fp8_cols, " of them in FP8");
}

}  // namespace

void cache_store_rows(Ctx& ctx, View<const float, 2> x, const CacheRowLayout& layout, u8* cache,
                      i64 first_row) {
  FATHOM_CHECK(x.dim(1) == layout.cols, "x ", x, " vs cache rows of ", layout.cols, " numbers");
  FATHOM_CHECK(last_axis_contiguous(x) && first_row >= 0, "rows of x ", x,
               " must be contiguous; first row ", first_row);
  check_layout(layout);
  run(ctx,
      device::CacheStoreRows{.x = x, .layout = layout, .cache = cache, .first_row = first_row});
}

void cache_load_rows(Ctx& ctx, const CacheRowLayout& layout, const u8* cache, i64 first_row,
                     View<float, 2> out) {
  FATHOM_CHECK(out.dim(1) == layout.cols, "out ", out, " vs cache rows of ", layout.cols,
               " numbers");
  FATHOM_CHECK(last_axis_contiguous(out) && first_row >= 0, "rows of out ", out,
               " must be contiguous; first row ", first_row);
  check_layout(layout);
  run(ctx,
      device::CacheLoadRows{.layout = layout, .cache = cache, .first_row = first_row, .out = out});
}

}  // namespace fathom::ops
