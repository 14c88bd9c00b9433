#pragma once
// Memory that ends where the address space allows no more reading: one byte beyond is a crash.
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/types.h"

namespace fathom::testing {

class Guarded {
 public:
  explicit Guarded(i64 bytes) {
    const i64 page = sysconf(_SC_PAGESIZE);
    const i64 used = (bytes + page - 1) / page * page;
    size_ = static_cast<size_t>(used + page);
    base_ = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FATHOM_CHECK(base_ != MAP_FAILED, "mmap of ", size_, " bytes");
    u8* guard = static_cast<u8*>(base_) + used;
    FATHOM_CHECK(mprotect(guard, static_cast<size_t>(page), PROT_NONE) == 0, "mprotect");
    data_ = guard - bytes;
  }
  ~Guarded() { munmap(base_, size_); }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;

  /// The first of `bytes`; aligned as `bytes` is.
  u8* data() const { return data_; }

 private:
  void* base_ = nullptr;
  size_t size_ = 0;
  u8* data_ = nullptr;
};

}  // namespace fathom::testing
