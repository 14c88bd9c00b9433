// Device memory over the CUDA runtime.
#include <cuda_runtime.h>

#include <string>

#include "base/error.h"
#include "base/text.h"
#include "tensor/device_memory.h"

namespace fathom::device_memory {

u8* allocate(i64 size_bytes, const char* what) {
  if (size_bytes == 0) return nullptr;
  void* data = nullptr;
  cudaError_t status = cudaMalloc(&data, static_cast<size_t>(size_bytes));
  if (status == cudaSuccess) status = cudaMemset(data, 0, static_cast<size_t>(size_bytes));
  if (status == cudaSuccess) return static_cast<u8*>(data);
  cudaFree(data);
  cudaGetLastError();  // allocation failures are not sticky; do not let the next launch see this
                       // one
  if (status == cudaErrorMemoryAllocation) {
    size_t free_bytes = 0, total_bytes = 0;
    cudaMemGetInfo(&free_bytes, &total_bytes);
    throw Error(ErrorCode::kOutOfMemory, std::string(what) + " needs " + format_bytes(size_bytes) +
                                             " on device cuda, free are " +
                                             format_bytes(static_cast<i64>(free_bytes)));
  }
  throw Error(ErrorCode::kUnsupported,
              std::string(what) + " on device cuda: " + cudaGetErrorString(status));
}

void release(u8* data) noexcept { cudaFree(data); }

void copy(void* to, const void* from, i64 size_bytes) {
  const cudaError_t status =
      cudaMemcpy(to, from, static_cast<size_t>(size_bytes), cudaMemcpyDefault);
  if (status != cudaSuccess) {
    throw Error(ErrorCode::kInternal, "copying " + format_bytes(size_bytes) +
                                          " from or to device cuda: " + cudaGetErrorString(status));
  }
}

}  // namespace fathom::device_memory
