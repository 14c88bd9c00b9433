// From an op's views to the arguments of its CUDA kernel. A build without CUDA compiles this file
// too, so the table and what docs/ops.md says of it are the same there; its kernels are refused.
#include "backend/cuda/table.h"

#include "backend/cuda/upload.h"
#include "base/error.h"
#include "kernels/cuda/cuda.h"

namespace fathom::backend::cuda {
namespace {

/// Of this build. What `if constexpr` leaves out needs no kernel to link with.
constexpr bool kHasKernels = FATHOM_HAS_CUDA;

[[noreturn]] void refuse_build() {
  throw Error(ErrorCode::kUnsupported,
              "device cuda: this build has no CUDA kernels (configure with the preset `cuda`)");
}

void rmsnorm_forward(Ctx& ctx, const device::RmsNormForward& op) {
  const kernels::RmsNormForwardArgs args{.x = op.x.data(),
                                         .x_stride = op.x.stride(0),
                                         .weight = op.weight.data(),
                                         .y = op.y.data(),
                                         .y_stride = op.y.stride(0),
                                         .rstd = op.rstd.data(),
                                         .rows = op.x.dim(0),
                                         .dim = op.x.dim(1),
                                         .eps = op.eps};
  if constexpr (kHasKernels) {
    kernels::cuda::rmsnorm_forward(args, ctx.stream());
  } else {
    refuse_build();
  }
}

}  // namespace

const device::OpTable& op_table() {
  static const device::OpTable table = [] {
    device::OpTable t;
    t.set(rmsnorm_forward);
    t.set(upload_matrix);
    return t;
  }();
  return table;
}

device::Backend make_backend() {
  if constexpr (kHasKernels) {
    kernels::cuda::require_device();
  } else {
    refuse_build();
  }
  return {.device = Device::kCuda, .ops = &op_table(), .isa_name = "cuda"};
}

}  // namespace fathom::backend::cuda
