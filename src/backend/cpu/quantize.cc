#include <algorithm>

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

kernels::CacheRowsArgs cache_args(const device::CacheRowLayout& layout) {
  return {.x = nullptr,
          .out = nullptr,
          .row_stride = 0,
          .cache = nullptr,
          .row_bytes = layout.row_bytes(),
          .cols = layout.cols,
          .fp8_cols = layout.quantised_cols(),
          .f32 = layout.dtype == device::CacheDType::kF32};
}

/// fn(row in memory, begin, end) for the parts of rows [begin, end), counted from `first_row`, that
/// lie in one page each.
template <typename Fn>
void for_page_parts(const device::PagedRows& rows, i64 first_row, i64 begin, i64 end, Fn&& fn) {
  while (begin < end) {
    const i64 row = first_row + begin;
    const i64 part_end = std::min(end, begin + device::kPageTokens - row % device::kPageTokens);
    fn(rows.row(row), begin, part_end);
    begin = part_end;
  }
}

void cache_store_rows(Ctx& ctx, const device::CacheStoreRows& op) {
  for_rows(op.x.dim(0), 2 * op.rows.layout.cols, [&](i64 begin, i64 end) {
    for_page_parts(op.rows, op.first_row, begin, end, [&](u8* page_row, i64 from, i64 to) {
      kernels::CacheRowsArgs args = cache_args(op.rows.layout);
      args.cache = page_row;
      args.x = op.x.data() + from * op.x.stride(0);
      args.row_stride = op.x.stride(0);
      ctx.isa().quantize->cache_store_rows(args, 0, to - from);
    });
  });
}

void cache_load_rows(Ctx& ctx, const device::CacheLoadRows& op) {
  for_rows(op.out.dim(0), op.rows.layout.cols, [&](i64 begin, i64 end) {
    for_page_parts(op.rows, op.first_row, begin, end, [&](u8* page_row, i64 from, i64 to) {
      kernels::CacheRowsArgs args = cache_args(op.rows.layout);
      args.cache = page_row;
      args.out = op.out.data() + from * op.out.stride(0);
      args.row_stride = op.out.stride(0);
      ctx.isa().quantize->cache_load_rows(args, 0, to - from);
    });
  });
}

}  // namespace

void set_quantize(device::OpTable& table) {
  table.set(quantize_blocks);
  table.set(dequantize);
  table.set(cache_store_rows);
  table.set(cache_load_rows);
}

}  // namespace fathom::backend::cpu
