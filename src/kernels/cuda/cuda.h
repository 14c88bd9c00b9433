#pragma once
// The device's entry points, one a family of ops. Without CUDA stubs.cc stands in for all of them.
#include "kernels/api/rmsnorm.h"

namespace fathom::kernels::cuda {

/// A CUDA stream, opaque here; nullptr is the default stream.
using Stream = void*;

/// Throws Error{kUnsupported}: `op` has no device kernel in this build.
[[noreturn]] void refuse(const char* op);

/// Throws Error{kUnsupported} unless this build has CUDA kernels and this machine a device.
void require_device();
/// Throws Error{kInternal} if the launch just made failed. Only builds with CUDA have it.
void check_launch(const char* op);

void rmsnorm_forward(const RmsNormForwardArgs& args, Stream stream);

}  // namespace fathom::kernels::cuda
