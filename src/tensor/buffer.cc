#include "tensor/buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/error.h"
#include "base/text.h"
#include "tensor/device_memory.h"

namespace fathom {
namespace {

constexpr i64 kHugePageBytes = i64{2} << 20;

i64 read_number(const char* path) {
  std::ifstream file(path);
  i64 value = 0;
  return file >> value ? value : -1;  // "max" is no number: no limit
}

i64 mem_available_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key, unit;
  i64 kib = 0;
  while (file >> key >> kib && std::getline(file, unit)) {
    if (key == "MemAvailable:") return kib * 1024;
  }
  return std::numeric_limits<i64>::max();
}

i64 cgroup_page_cache_bytes() {
  std::ifstream file("/sys/fs/cgroup/memory.stat");
  std::string key;
  i64 value = 0, total = 0;
  while (file >> key >> value) {
    if (key == "inactive_file" || key == "active_file") total += value;
  }
  return total;
}

}  // namespace

i64 free_memory_bytes() {
  const i64 available = mem_available_bytes();
  const i64 limit = read_number("/sys/fs/cgroup/memory.max");
  const i64 used = read_number("/sys/fs/cgroup/memory.current");
  if (limit <= 0 || used < 0) return available;
  // The group's usage counts the page cache, mapped weights included, which the kernel gives back.
  const i64 free_in_group = std::max<i64>(0, limit - used + cgroup_page_cache_bytes());
  return std::min({available, limit, free_in_group});
}

Buffer::Buffer(Device device, i64 size_bytes, const char* what) : device_(device) {
  FATHOM_CHECK(size_bytes >= 0, "buffer of ", size_bytes, " bytes for ", what);
  if (device != Device::kCpu) {
    data_ = device_memory::allocate(size_bytes, what);
    size_bytes_ = size_bytes;
    return;
  }
  if (size_bytes == 0) return;
  // Anonymous maps come zeroed and lazily; the check makes a too large model an error now
  // instead of the kernel's OOM killer later.
  const i64 free_bytes = free_memory_bytes();
  void* mapped = size_bytes > free_bytes
                     ? MAP_FAILED
                     : ::mmap(nullptr, static_cast<size_t>(size_bytes), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) {
    throw Error(ErrorCode::kOutOfMemory, std::string(what) + " needs " + format_bytes(size_bytes) +
                                             ", free are " + format_bytes(free_bytes));
  }
  if (size_bytes >= kHugePageBytes) {
    ::madvise(mapped, static_cast<size_t>(size_bytes), MADV_HUGEPAGE);  // a hint; may be refused
  }
  data_ = static_cast<u8*>(mapped);
  size_bytes_ = size_bytes;
}

Buffer::~Buffer() {
  if (data_ == nullptr) return;
  if (device_ == Device::kCpu) {
    ::munmap(data_, static_cast<size_t>(size_bytes_));
  } else {
    device_memory::release(data_);
  }
}

}  // namespace fathom
