#pragma once
#include "device/upload.h"

namespace fathom::backend::cuda {

/// Copies the matrix and its scales into memory of the device.
void upload_matrix(Ctx& ctx, const device::UploadMatrix& op);

}  // namespace fathom::backend::cuda
