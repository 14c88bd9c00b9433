#pragma once
#include "device/ctx.h"
#include "tensor/buffer.h"
#include "tensor/mat_ref.h"

namespace fathom::ops {

/// A weight where the ops of `ctx` can read it. `storage` owns what that took, and must outlive the
/// matrix: device memory of a GPU; nothing on the CPU, which returns `host` itself.
MatRef upload(Ctx& ctx, const MatRef& host, Buffer& storage);

}  // namespace fathom::ops
