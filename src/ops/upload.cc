#include "ops/upload.h"

#include "device/run.h"

namespace fathom::ops {

MatRef upload(Ctx& ctx, const MatRef& host, Buffer& storage) {
  MatRef uploaded;
  run(ctx, device::UploadMatrix{.host = host, .uploaded = uploaded, .storage = storage});
  return uploaded;
}

}  // namespace fathom::ops
