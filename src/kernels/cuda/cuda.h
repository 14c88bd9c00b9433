#pragma once
// The CUDA kernels, one entry point an op. A build without CUDA defines none of them.
#include "kernels/api/rmsnorm.h"

namespace fathom::kernels::cuda {

/// A CUDA stream, opaque here; nullptr is the default stream.
using Stream = void*;

/// Throws Error{kUnsupported} unless this machine has a device.
void require_device();
/// Throws Error{kInternal} if the launch just made failed.
void check_launch(const char* op);

void rmsnorm_forward(const RmsNormForwardArgs& args, Stream stream);

}  // namespace fathom::kernels::cuda
