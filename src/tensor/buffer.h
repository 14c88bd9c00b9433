#pragma once
// One of the two owners of tensor memory (the other is Workspace).
#include <utility>

#include "base/device.h"
#include "base/types.h"

namespace fathom {

/// Device-tagged, zero-initialised memory; 64-byte aligned, move-only. Large CPU buffers are page
/// aligned and ask for huge pages.
class Buffer {
 public:
  Buffer() = default;
  /// Throws Error{kOutOfMemory} that names `what`, the bytes asked for and the bytes free;
  /// Error{kUnsupported} for a device this build lacks.
  Buffer(Device device, i64 size_bytes, const char* what);
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    Buffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  u8* data() { return data_; }
  const u8* data() const { return data_; }
  i64 size_bytes() const { return size_bytes_; }
  Device device() const { return device_; }

 private:
  void swap(Buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    std::swap(device_, other.device_);
  }

  u8* data_ = nullptr;
  i64 size_bytes_ = 0;
  Device device_ = Device::kCpu;
};

/// Bytes that this process may still allocate: the smaller of MemAvailable and the cgroup's limit.
i64 free_memory_bytes();

}  // namespace fathom
