#pragma once
// Stack arena over one Buffer for the temporaries of a step. A Scope rewinds on destruction, so a
// function returns its scratch by leaving; after the first step nothing is allocated.
#include <type_traits>

#include "tensor/buffer.h"
#include "tensor/view.h"

namespace fathom {

class Workspace {
 public:
  /// Reserves `capacity_bytes` at once; throws Error{kOutOfMemory}.
  Workspace(Device device, i64 capacity_bytes) : buffer_(device, capacity_bytes, "workspace") {}

  i64 capacity_bytes() const { return buffer_.size_bytes(); }
  i64 used_bytes() const { return used_; }
  /// The most that was ever in use.
  i64 high_water_bytes() const { return high_water_; }
  /// Replaces the buffer by a larger one if needed; only while nothing is in use.
  void reserve(i64 capacity_bytes);

  class Scope {
   public:
    explicit Scope(Workspace& workspace) : workspace_(workspace), mark_(workspace.used_) {}
    ~Scope() { workspace_.used_ = mark_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Uninitialised, 64-byte aligned, contiguous; valid until the Scope ends. Throws InternalError
    /// naming both sizes if the workspace is too small.
    template <typename T, typename... Dim>
    View<T, sizeof...(Dim)> alloc(Dim... dims) {
      static_assert(std::is_trivially_copyable_v<T>);
      const std::array<i64, sizeof...(Dim)> shape = {static_cast<i64>(dims)...};
      i64 count = 1;
      for (const i64 d : shape) count *= d;
      return {static_cast<T*>(workspace_.take(count * static_cast<i64>(sizeof(T)))), shape};
    }

   private:
    Workspace& workspace_;
    i64 mark_;
  };

 private:
  void* take(i64 bytes);

  Buffer buffer_;
  i64 used_ = 0;
  i64 high_water_ = 0;
};

}  // namespace fathom
