#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "backend/cpu/weight_type.h"
#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/quantize/quantize_table.h"

namespace fathom::backend::cpu {
namespace {

void quantize_blocks(Ctx& ctx, const device::QuantizeBlocks& op) {
  const kernels::QuantizeBlocksArgs args{.x = op.x.data(),
                                         .x_stride = op.x.stride(0),
                                         .q = reinterpret_cast<u8*>(op.q.data()),
                                         .q_stride = op.q.stride(0),
                                         .scale = op.scale.data(),
                                         .scale_stride = op.scale.stride(0),
                                         .rows = op.x.dim(0),
                                         .cols = op.x.dim(1),
                                         .power_of_2 = op.format == device::ScaleFormat::kUe8m0};
  for_rows(op.scale.dim(0), args.cols * kFp8Block,
           [&](i64 begin, i64 end) { ctx.isa().quantize->quantize_block_rows(args, begin, end); });
}

void dequantize(Ctx& ctx, const device::Dequantize& op) {
  const kernels::DecodeRowsArgs args{.w = op.w.data,
                                     .w_type = weight_type(op.w),
                                     .w_scale = op.w.scale,
                                     .w_scale_stride = op.w.scale_stride,
                                     .w_row_offset = op.w.row_offset,
                                     .w_groups = group_scales(op.w),
                                     .ids = nullptr,
                                     .out = op.out.data(),
                                     .out_stride = op.out.stride(0),
                                     .cols = op.w.cols};
  for_rows(op.w.rows, op.w.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->decode_rows(args, begin, end); });
}

kernels::CacheRowsArgs cache_args(const device::CacheRowLayout& layout, u8* first_row) {
  return {.x = nullptr,
          .out = nullptr,
          .row_stride = 0,
          .cache = first_row,
          .row_bytes = layout.row_bytes(),
          .cols = layout.cols,
          .fp8_cols = layout.quantised_cols(),
          .f32 = layout.dtype == device::CacheDType::kF32};
}

void cache_store_rows(Ctx& ctx, const device::CacheStoreRows& op) {
  kernels::CacheRowsArgs args =
      cache_args(op.layout, op.cache + op.first_row * op.layout.row_bytes());
  args.x = op.x.data();
  args.row_stride = op.x.stride(0);
  for_rows(op.x.dim(0), 2 * op.layout.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->cache_store_rows(args, begin, end); });
}

void cache_load_rows(Ctx& ctx, const device::CacheLoadRows& op) {
  // The kernel's struct serves both ways; loading never writes through `cache`.
  u8* cache = const_cast<u8*>(op.cache);
  kernels::CacheRowsArgs args = cache_args(op.layout, cache + op.first_row * op.layout.row_bytes());
  args.out = op.out.data();
  args.row_stride = op.out.stride(0);
  for_rows(op.out.dim(0), op.layout.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->cache_load_rows(args, begin, end); });
}

}  // namespace

void set_quantize(device::OpTable& table) {
  table.set(quantize_blocks);
  table.set(dequantize);
  table.set(cache_store_rows);
  table.set(cache_load_rows);
}

}  // namespace fathom::backend::cpu
