// Is there a device, and did a launch succeed.
#include <cuda_runtime.h>

#include <string>

#include "base/error.h"
#include "kernels/cuda/cuda.h"

namespace fathom::kernels::cuda {

void require_device() {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return;
  cudaGetLastError();  // not for the next launch to report
  throw Error(ErrorCode::kUnsupported,
              std::string("device cuda: this machine has none (") +
                  (status == cudaSuccess ? "no device" : cudaGetErrorString(status)) + ")");
}

void check_launch(const char* op) {
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  throw Error(ErrorCode::kInternal,
              std::string(op) + " on device cuda: " + cudaGetErrorString(status));
}

}  // namespace fathom::kernels::cuda
