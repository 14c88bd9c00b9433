#pragma once
// Stack arena for the temporaries of a step. A Scope rewinds on destruction, so a function returns
// its scratch by leaving. The arena grows by further chunks while it warms up and merges them when
// it is empty; after the first steps of a shape nothing is allocated.
#include <span>
#include <type_traits>
#include <vector>

#include "tensor/buffer.h"
#include "tensor/view.h"

namespace fathom {

class Workspace {
 public:
  /// Reserves `capacity_bytes` at once; throws Error{kOutOfMemory}.
  explicit Workspace(Device device, i64 capacity_bytes = 0);

  i64 capacity_bytes() const;
  i64 used_bytes() const { return used_; }
  /// Room for so many bytes in one piece; only while nothing is in use. Throws
  /// Error{kOutOfMemory}.
  void reserve(i64 bytes);

  /// The most that was ever in use.
  i64 high_water_bytes() const { return high_water_; }

  class Scope {
   public:
    explicit Scope(Workspace& workspace)
        : workspace_(workspace),
          chunk_(workspace.chunk_),
          offset_(workspace.offset_),
          used_(workspace.used_) {}
    ~Scope() {
      workspace_.chunk_ = chunk_;
      workspace_.offset_ = offset_;
      workspace_.used_ = used_;
    }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Uninitialised, 64-byte aligned, contiguous; valid until the Scope ends. Throws
    /// Error{kOutOfMemory} if the arena cannot grow, InternalError if the bytes are no number.
    template <typename T, typename... Dim>
    View<T, sizeof...(Dim)> alloc(Dim... dims) {
      static_assert(std::is_trivially_copyable_v<T>);
      const std::array<i64, sizeof...(Dim)> shape = {static_cast<i64>(dims)...};
      return {static_cast<T*>(workspace_.take(bytes_of(shape, sizeof(T)))), shape};
    }

   private:
    Workspace& workspace_;
    size_t chunk_;
    i64 offset_;
    i64 used_;
  };

 private:
  static i64 bytes_of(std::span<const i64> shape, size_t element_bytes);
  void* take(i64 bytes);
  void make_one_chunk(i64 bytes);

  Device device_;
  std::vector<Buffer> chunks_;
  size_t chunk_ = 0;  // where the next allocation is tried
  i64 offset_ = 0;    // bytes in use of that chunk
  i64 used_ = 0;      // bytes in use of all chunks
  i64 high_water_ = 0;
};

}  // namespace fathom
