#include "backend/cuda/upload.h"

#include <array>

#include "base/checked_math.h"
#include "tensor/device_memory.h"

namespace fathom::backend::cuda {
namespace {

/// One array of a matrix on the host.
struct Part {
  const void* data;
  i64 bytes;
};

constexpr i64 kAlignment = 256;  // that of the device's own allocations

}  // namespace

void upload_matrix(Ctx&, const device::UploadMatrix& op) {
  const MatRef& w = op.host;
  const std::array<Part, 4> parts = {{
      {w.data, w.size_bytes()},
      {w.scale, w.scale_bytes()},
      {w.group_scale, w.group_scale_bytes()},
      {w.group_minimum, w.group_minimum == nullptr ? 0 : w.group_scale_bytes()},
  }};
  i64 bytes = 0;
  for (const Part& part : parts) bytes += round_up(part.bytes, kAlignment);
  op.storage = Buffer(Device::kCuda, bytes, "a weight");
  std::array<u8*, 4> at{};
  u8* next = op.storage.data();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].bytes == 0) continue;
    at[i] = next;
    device_memory::copy(next, parts[i].data, parts[i].bytes);
    next += round_up(parts[i].bytes, kAlignment);
  }
  op.uploaded = w;
  op.uploaded.data = at[0];
  op.uploaded.scale = reinterpret_cast<const float*>(at[1]);
  op.uploaded.group_scale = reinterpret_cast<const u16*>(at[2]);
  op.uploaded.group_minimum = reinterpret_cast<const u16*>(at[3]);
}

}  // namespace fathom::backend::cuda
