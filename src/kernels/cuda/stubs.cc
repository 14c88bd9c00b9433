// A build without CUDA: every entry point refuses by name.
#include <string>

#include "base/error.h"
#include "kernels/cuda/cuda.h"

namespace fathom::kernels::cuda {

void refuse(const char* op) {
  throw Error(ErrorCode::kUnsupported,
              std::string(op) +
                  " on device cuda: this build has no CUDA kernels (configure with "
                  "the preset `cuda`)");
}

void require_device() { refuse("a context"); }

void rmsnorm_forward(const RmsNormForwardArgs&, Stream) { refuse("rmsnorm_forward"); }

}  // namespace fathom::kernels::cuda
