#pragma once
#include "device/ctx.h"
#include "device/op_table.h"

namespace fathom::backend::cuda {

/// The ops that have a CUDA kernel, in any build.
const device::OpTable& op_table();

/// Throws Error{kUnsupported} unless this build has CUDA kernels and this machine a device.
device::Backend make_backend();

}  // namespace fathom::backend::cuda
