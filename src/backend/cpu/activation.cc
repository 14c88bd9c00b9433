#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/elementwise/elementwise_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

void silu_mul_forward(Ctx& ctx, const device::SiluMulForward& op) {
  const kernels::SiluMulArgs args{.gate = op.gate.data(),
                                  .gate_stride = op.gate.stride(0),
                                  .up = op.up.data(),
                                  .up_stride = op.up.stride(0),
                                  .y = op.y.data(),
                                  .y_stride = op.y.stride(0),
                                  .dim = op.y.dim(1)};
  for_rows(op.y.dim(0), 4 * args.dim,
           [&](i64 begin, i64 end) { ctx.isa().elementwise->silu_mul_rows(args, begin, end); });
}

void silu_mul_backward(Ctx& ctx, const device::SiluMulBackward& op) {
  const kernels::SiluMulBackwardArgs args{.dy = op.dy.data(),
                                          .dy_stride = op.dy.stride(0),
                                          .gate = op.gate.data(),
                                          .gate_stride = op.gate.stride(0),
                                          .up = op.up.data(),
                                          .up_stride = op.up.stride(0),
                                          .dgate = op.dgate.data(),
                                          .dgate_stride = op.dgate.stride(0),
                                          .dup = op.dup.data(),
                                          .dup_stride = op.dup.stride(0),
                                          .y = op.y.data(),
                                          .y_stride = op.y.stride(0),
                                          .dim = op.gate.dim(1)};
  for_rows(op.gate.dim(0), 4 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->silu_mul_backward_rows(args, begin, end);
  });
}

void weighted_silu_mul_forward(Ctx& ctx, const device::WeightedSiluMulForward& op) {
  const kernels::WeightedSiluMulArgs args{.gate = op.gate.data(),
                                          .gate_stride = op.gate.stride(0),
                                          .up = op.up.data(),
                                          .up_stride = op.up.stride(0),
                                          .weight = op.weight.data(),
                                          .y = op.y.data(),
                                          .y_stride = op.y.stride(0),
                                          .dim = op.y.dim(1)};
  for_rows(op.y.dim(0), 4 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->weighted_silu_mul_rows(args, begin, end);
  });
}

void weighted_silu_mul_backward(Ctx& ctx, const device::WeightedSiluMulBackward& op) {
  const kernels::WeightedSiluMulBackwardArgs args{.dy = op.dy.data(),
                                                  .dy_stride = op.dy.stride(0),
                                                  .gate = op.gate.data(),
                                                  .gate_stride = op.gate.stride(0),
                                                  .up = op.up.data(),
                                                  .up_stride = op.up.stride(0),
                                                  .weight = op.weight.data(),
                                                  .dgate = op.dgate.data(),
                                                  .dgate_stride = op.dgate.stride(0),
                                                  .dup = op.dup.data(),
                                                  .dup_stride = op.dup.stride(0),
                                                  .dweight = op.dweight.data(),
                                                  .y = op.y.data(),
                                                  .y_stride = op.y.stride(0),
                                                  .dim = op.dy.dim(1)};
  for_rows(op.dy.dim(0), 8 * args.dim, [&](i64 begin, i64 end) {
    ctx.isa().elementwise->weighted_silu_mul_backward_rows(args, begin, end);
  });
}

void add_inplace(Ctx& ctx, const device::AddInplace& op) {
  const kernels::AddArgs args{.x = op.x.data(),
                              .x_stride = op.x.stride(0),
                              .y = op.y.data(),
                              .y_stride = op.y.stride(0),
                              .dim = op.x.dim(1)};
  for_rows(op.x.dim(0), args.dim,
           [&](i64 begin, i64 end) { ctx.isa().elementwise->add_rows(args, begin, end); });
}

/// One product a number: no instruction set changes a bit of it.
void scale_rows_inplace(Ctx&, const device::ScaleRowsInplace& op) {
  const i64 dim = op.x.dim(1);
  for_rows(op.x.dim(0), dim, [&](i64 begin, i64 end) {
    for (i64 row = begin; row < end; ++row) {
      const float scale = op.scales(row);
      float* x = &op.x(row, 0);
      for (i64 i = 0; i < dim; ++i) x[i] *= scale;
    }
  });
}

}  // namespace

void set_activation(device::OpTable& table) {
  table.set(silu_mul_forward);
  table.set(silu_mul_backward);
  table.set(weighted_silu_mul_forward);
  table.set(weighted_silu_mul_backward);
  table.set(add_inplace);
  table.set(scale_rows_inplace);
}

}  // namespace fathom::backend::cpu
