#include "device/run.h"

#include <string>

#include "base/error.h"

namespace fathom::device {

void refuse(const Ctx& ctx, const char* op) {
  const char* kind = ctx.device() == Device::kCuda ? "CUDA" : "CPU";
  throw Error(ErrorCode::kUnsupported, std::string(op) + " on device " + device_name(ctx.device()) +
                                           ": there is no " + kind + " kernel for it yet");
}

}  // namespace fathom::device
