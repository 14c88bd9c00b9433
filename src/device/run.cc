#include "device/run.h"

#include <string>

#include "base/error.h"

namespace fathom::device {

void refuse(const Ctx& ctx, const char* op) {
  const std::string device = device_name(ctx.device());
  throw Error(ErrorCode::kUnsupported, std::string(op) + " on device " + device + ": there is no " +
                                           (device == "cuda" ? "CUDA" : "CPU") +
                                           " kernel for it yet");
}

}  // namespace fathom::device
