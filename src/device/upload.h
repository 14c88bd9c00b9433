#pragma once
#include "device/op.h"
#include "tensor/buffer.h"
#include "tensor/mat_ref.h"

namespace fathom::device {

struct UploadMatrix {
  static constexpr const char* kName = "upload_matrix";
  MatRef host;
  MatRef& uploaded;
  Buffer& storage;  // what the device needed for it; stays empty on the CPU
};

}  // namespace fathom::device
