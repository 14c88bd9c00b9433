#include <algorithm>

#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "backend/cpu/weight_type.h"
#include "base/checked_math.h"
#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/quantize/quantize_table.h"

namespace fathom::backend::cpu {
namespace {

void embedding_forward(Ctx& ctx, const device::EmbeddingForward& op) {
  const kernels::DecodeRowsArgs args{.w = op.table.data,
                                     .w_type = weight_type(op.table),
                                     .w_scale = op.table.scale,
                                     .w_scale_stride = op.table.scale_stride,
                                     .w_row_offset = op.table.row_offset,
                                     .w_groups = group_scales(op.table),
                                     .ids = op.ids.data(),
                                     .out = op.out.data(),
                                     .out_stride = op.out.stride(0),
                                     .cols = op.table.cols};
  for_rows(op.out.dim(0), args.cols,
           [&](i64 begin, i64 end) { ctx.isa().quantize->decode_rows(args, begin, end); });
}

void embedding_backward(Ctx& ctx, const device::EmbeddingBackward& op) {
  const kernels::ScatterAddArgs args{.x = op.dout.data(),
                                     .x_stride = op.dout.stride(0),
                                     .ids = op.ids.data(),
                                     .table = op.dtable.data(),
                                     .table_stride = op.dtable.stride(0),
                                     .tokens = op.ids.dim(0)};
  // Threads share out columns, whole cache lines each, so that the order of tokens stays.
  constexpr i64 kCols = 64;
  const i64 cols = op.dout.dim(1);
  for_rows(ceil_div(cols, kCols), kCols * args.tokens, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->scatter_add_cols(args, begin * kCols, std::min(end * kCols, cols));
  });
}

}  // namespace

void set_embedding(device::OpTable& table) {
  table.set(embedding_forward);
  table.set(embedding_backward);
}

}  // namespace fathom::backend::cpu
