#pragma once
// Memory of a device other than the CPU, for Buffer. tensor/cuda/ holds two versions: one over the
// CUDA runtime, one for builds without it.
#include "base/types.h"

namespace fathom::device_memory {

/// Zeroed. Throws Error{kOutOfMemory} that names `what`, the bytes asked for and the bytes free;
/// Error{kUnsupported} if this build or this machine has no such device.
u8* allocate(i64 size_bytes, const char* what);
void release(u8* data) noexcept;

/// Copies between any two places, host or device, and waits for the end.
void copy(void* to, const void* from, i64 size_bytes);

}  // namespace fathom::device_memory
