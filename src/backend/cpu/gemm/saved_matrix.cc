#include "backend/cpu/gemm/saved_rows.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/gemm/gemm_table.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

void save_matrix(Ctx& ctx, const device::SaveMatrix& op) {
  // The kernels' struct serves both ways; saving never writes through x.
  const kernels::SaveArgs args{.saved = saved_rows(op.saved),
                               .ids = nullptr,
                               .x = const_cast<float*>(op.x.data()),
                               .x_stride = op.x.stride(0),
                               .cols = op.x.dim(1)};
  for_rows(op.x.dim(0), op.x.dim(1),
           [&](i64 begin, i64 end) { ctx.isa().gemm->save_rows(args, begin, end); });
}

void load_matrix(Ctx& ctx, const device::LoadMatrix& op) {
  const kernels::SaveArgs args{.saved = saved_rows(op.saved),
                               .ids = op.row_ids.data(),
                               .x = op.out.data(),
                               .x_stride = op.out.stride(0),
                               .cols = op.saved.cols};
  for_rows(op.out.dim(0), op.saved.cols,
           [&](i64 begin, i64 end) { ctx.isa().gemm->load_rows(args, begin, end); });
}

}  // namespace

void set_saved_matrix(device::OpTable& table) {
  table.set(save_matrix);
  table.set(load_matrix);
}

}  // namespace fathom::backend::cpu
