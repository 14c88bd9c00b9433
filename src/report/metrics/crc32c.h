#pragma once
#include <string_view>

#include "base/types.h"

namespace fathom::report {

/// CRC-32C (Castagnoli, RFC 3720 B.4): reflected polynomial 0x82F63B78, start and end inverted.
u32 crc32c(std::string_view bytes);

/// What TFRecord files store: rotated right by 15 and shifted by a constant, because the CRC of
/// bytes that contain their own CRC is weak.
u32 masked_crc32c(std::string_view bytes);

}  // namespace fathom::report
