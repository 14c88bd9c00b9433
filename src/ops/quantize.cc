#include "ops/quantize.h"

#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/quantize/quantize_table.h"
#include "ops/checks.h"

namespace fathom::ops {

void quantize_blocks(Ctx& ctx, View<const float, 2> x, ScaleFormat format, View<Fp8E4M3, 2> q,
                     View<float, 2> scale) {
  require_cpu(ctx, "quantize_blocks");
  FATHOM_CHECK(x.dims() == q.dims(), "x ", x, " vs q ", q);
  const i64 block_rows = ceil_div(x.dim(0), kFp8Block), block_cols = ceil_div(x.dim(1), kFp8Block);
  FATHOM_CHECK(scale.dim(0) == block_rows && scale.dim(1) == block_cols, "scale ", scale, " vs x ",
               x, ": expected [", block_rows, ", ", block_cols, "]");
  FATHOM_CHECK(last_axis_contiguous(x) && last_axis_contiguous(q) && last_axis_contiguous(scale),
               "rows of x ", x, ", q and scale must be contiguous");
  const kernels::QuantizeBlocksArgs args{.x = x.data(),
                                         .x_stride = x.stride(0),
                                         .q = reinterpret_cast<u8*>(q.data()),
                                         .q_stride = q.stride(0),
                                         .scale = scale.data(),
                                         .scale_stride = scale.stride(0),
                                         .rows = x.dim(0),
                                         .cols = x.dim(1),
                                         .power_of_2 = format == ScaleFormat::kUe8m0};
  ctx.for_rows(block_rows, x.dim(1) * kFp8Block, [&](i64 begin, i64 end) {
    ctx.isa().quantize->quantize_block_rows(args, begin, end);
  });
}

void dequantize(Ctx& ctx, const MatRef& w, View<float, 2> out) {
  require_cpu(ctx, "dequantize");
  FATHOM_CHECK(out.dim(0) == w.rows && out.dim(1) == w.cols, "out ", out, " vs weight ", w);
  FATHOM_CHECK(last_axis_contiguous(out), "rows of out ", out, " must be contiguous");
  const kernels::DecodeRowsArgs args{.w = w.data,
                                     .w_type = weight_type(w, "dequantize"),
                                     .w_scale = w.scale,
                                     .w_scale_stride = w.scale_stride,
                                     .w_row_offset = w.row_offset,
                                     .w_groups = group_scales(w),
                                     .ids = nullptr,
                                     .out = out.data(),
                                     .out_stride = out.stride(0),
                                     .cols = w.cols};
  ctx.for_rows(w.rows, w.cols,
               [&](i64 begin, i64 end) { ctx.isa().quantize->decode_rows(args, begin, end); });
}

namespace {

i64 quantised_cols(const CacheRowLayout& layout) {
  return layout.dtype == CacheDType::kFp8 ? layout.fp8_cols : 0;
}

kernels::CacheRowsArgs cache_args(const CacheRowLayout& layout, u8* first_row) {
  FATHOM_CHECK(
      layout.cols >= 0 && quantised_cols(layout) >= 0 && quantised_cols(layout) <= layout.cols,
      "cache row of ", layout.cols, " numbers, ", layout.fp8_cols, " of them in FP8");
  return {.x = nullptr,
          .out = nullptr,
          .row_stride = 0,
          .cache = first_row,
          .row_bytes = layout.row_bytes(),
          .cols = layout.cols,
          .fp8_cols = quantised_cols(layout),
          .f32 = layout.dtype == CacheDType::kF32};
}

}  // namespace

i64 CacheRowLayout::row_bytes() const {
  const i64 quantised = quantised_cols(*this);
  const i64 rest_bytes = dtype == CacheDType::kF32 ? 4 : 2;
  return quantised + ceil_div(quantised, kFp8Block) * 4 + (cols - quantised) * rest_bytes;
}

void cache_store_rows(Ctx& ctx, View<const float, 2> x, const CacheRowLayout& layout, u8* cache,
                      i64 first_row) {
  require_cpu(ctx, "cache_store_rows");
  FATHOM_CHECK(x.dim(1) == layout.cols, "x ", x, " vs cache rows of ", layout.cols, " numbers");
  FATHOM_CHECK(last_axis_contiguous(x) && first_row >= 0, "rows of x ", x,
               " must be contiguous; first row ", first_row);
  kernels::CacheRowsArgs args = cache_args(layout, cache + first_row * layout.row_bytes());
  args.x = x.data();
  args.row_stride = x.stride(0);
  ctx.for_rows(x.dim(0), 2 * layout.cols,
               [&](i64 begin, i64 end) { ctx.isa().quantize->cache_store_rows(args, begin, end); });
}

void cache_load_rows(Ctx& ctx, const CacheRowLayout& layout, const u8* cache, i64 first_row,
                     View<float, 2> out) {
  require_cpu(ctx, "cache_load_rows");
  FATHOM_CHECK(out.dim(1) == layout.cols, "out ", out, " vs cache rows of ", layout.cols,
               " numbers");
  FATHOM_CHECK(last_axis_contiguous(out) && first_row >= 0, "rows of out ", out,
               " must be contiguous; first row ", first_row);
  // The kernel's struct serves both ways; loading never writes through `cache`.
  kernels::CacheRowsArgs args =
      cache_args(layout, const_cast<u8*>(cache) + first_row * layout.row_bytes());
  args.out = out.data();
  args.row_stride = out.stride(0);
  ctx.for_rows(out.dim(0), layout.cols,
               [&](i64 begin, i64 end) { ctx.isa().quantize->cache_load_rows(args, begin, end); });
}

}  // namespace fathom::ops
