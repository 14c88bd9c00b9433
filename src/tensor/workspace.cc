#include "tensor/workspace.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/checked_math.h"

namespace fathom {
namespace {

constexpr i64 kMinChunkBytes = i64{1} << 20;
/// Far beyond any machine, and small enough that sums of a few do not wrap round.
constexpr i64 kMaxBytes = i64{1} << 60;

}  // namespace

Workspace::Workspace(Device device, i64 capacity_bytes) : device_(device) {
  if (capacity_bytes > 0) chunks_.emplace_back(device, capacity_bytes, "workspace");
}

i64 Workspace::capacity_bytes() const {
  i64 total = 0;
  for (const Buffer& chunk : chunks_) total += chunk.size_bytes();
  return total;
}

void Workspace::reserve(i64 bytes) {
  FATHOM_CHECK(used_ == 0, "a workspace in use cannot move");
  if (chunks_.size() != 1 || chunks_[0].size_bytes() < bytes) make_one_chunk(bytes);
}

/// Nothing points into the chunks.
void Workspace::make_one_chunk(i64 bytes) {
  chunks_.clear();
  if (bytes > 0) chunks_.emplace_back(device_, bytes, "workspace");
  chunk_ = 0;
  offset_ = 0;
}

i64 Workspace::bytes_of(std::span<const i64> shape, size_t element_bytes) {
  const std::optional<i64> count = checked_product(shape);
  const std::optional<i64> bytes =
      count.has_value() ? checked_mul(*count, static_cast<i64>(element_bytes)) : std::nullopt;
  if (bytes.has_value() && *bytes <= kMaxBytes) return *bytes;
  std::string text;
  for (const i64 extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  FATHOM_CHECK(false, "workspace asked for [", text, "] of ", element_bytes, " bytes each");
  return 0;
}

void* Workspace::take(i64 bytes) {
  const i64 rounded = round_up(std::max<i64>(bytes, 1), 64);
  if (used_ == 0 && chunks_.size() > 1) make_one_chunk(capacity_bytes());
  while (chunk_ < chunks_.size() && offset_ + rounded > chunks_[chunk_].size_bytes()) {
    ++chunk_;
    offset_ = 0;
  }
  if (chunk_ == chunks_.size()) {
    const i64 grown = std::max({rounded, capacity_bytes(), kMinChunkBytes});
    chunks_.emplace_back(device_, grown, "workspace");
  }
  u8* start = chunks_[chunk_].data() + offset_;
  offset_ += rounded;
  used_ += rounded;
  high_water_ = std::max(high_water_, used_);
  return start;
}

}  // namespace fathom
