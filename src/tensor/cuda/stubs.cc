// A build without CUDA holds no device memory.
#include <string>

#include "base/error.h"
#include "tensor/device_memory.h"

namespace fathom::device_memory {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::kUnsupported, what +
                                           " on device cuda: this build has no CUDA (configure "
                                           "with the preset `cuda`)");
}

}  // namespace

u8* allocate(i64, const char* what) { refuse(what); }
void release(u8*) noexcept {}
void copy(void*, const void*, i64) { refuse("a copy"); }

}  // namespace fathom::device_memory
