// One block a row. The sum has a fixed order (a strided part a thread, then a tree over the block),
// so a row's result is the same bits in any batch.
#include <cuda_runtime.h>

#include "kernels/cuda/cuda.h"

namespace fathom::kernels::cuda {
namespace {

constexpr int kThreads = 256;
static_assert((kThreads & (kThreads - 1)) == 0, "the tree halves the block");

__global__ void rmsnorm_forward_kernel(RmsNormForwardArgs a) {
  __shared__ float sums[kThreads];
  const int thread = static_cast<int>(threadIdx.x);
  const float* x = a.x + blockIdx.x * a.x_stride;
  float* y = a.y + blockIdx.x * a.y_stride;

  float sum = 0.0f;
  for (int64_t i = thread; i < a.dim; i += kThreads) sum = fmaf(x[i], x[i], sum);
  sums[thread] = sum;
  for (int half = kThreads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (thread < half) sums[thread] += sums[thread + half];
  }
  __syncthreads();
  const float rstd = 1.0f / sqrtf(sums[0] / static_cast<float>(a.dim) + a.eps);
  if (thread == 0 && a.rstd != nullptr) a.rstd[blockIdx.x] = rstd;
  // y may be x: a thread writes only what it alone reads from here on.
  for (int64_t i = thread; i < a.dim; i += kThreads) y[i] = x[i] * rstd * a.weight[i];
}

}  // namespace

void rmsnorm_forward(const RmsNormForwardArgs& args, Stream stream) {
  if (args.rows == 0) return;
  rmsnorm_forward_kernel<<<static_cast<unsigned>(args.rows), kThreads, 0,
                           static_cast<cudaStream_t>(stream)>>>(args);
  check_launch("rmsnorm_forward");
}

}  // namespace fathom::kernels::cuda
