#include "tensor/workspace.h"

#include <algorithm>

#include "base/checked_math.h"

namespace fathom {

void* Workspace::take(i64 bytes) {
  const i64 rounded = round_up(bytes, 64);
  FATHOM_CHECK(bytes >= 0 && used_ + rounded <= buffer_.size_bytes(), "workspace of ",
               buffer_.size_bytes(), " bytes has ", used_, " in use, asked for ", rounded);
  u8* start = buffer_.data() + used_;
  used_ += rounded;
  high_water_ = std::max(high_water_, used_);
  return start;
}

void Workspace::reserve(i64 capacity_bytes) {
  if (capacity_bytes <= buffer_.size_bytes()) return;
  FATHOM_CHECK(used_ == 0, "workspace grows while ", used_, " bytes are in use");
  buffer_ = Buffer(buffer_.device(), capacity_bytes, "workspace");
}

}  // namespace fathom
