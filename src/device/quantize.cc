#include "device/quantize.h"

#include "base/checked_math.h"

namespace fathom::device {

i64 CacheRowLayout::row_bytes() const {
  const i64 quantised = quantised_cols();
  const i64 rest_bytes = dtype == CacheDType::kF32 ? 4 : 2;
  return quantised + ceil_div(quantised, kFp8Block) * 4 + (cols - quantised) * rest_bytes;
}

}  // namespace fathom::device
