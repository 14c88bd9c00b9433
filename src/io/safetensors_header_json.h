#pragma once
// Internal to io/: the JSON of a safetensors header, read event by event.
#include <string>
#include <string_view>

#include "io/safetensors_header.h"

namespace fathom::io {

/// Entries in the order of the text, each with all its fields; nothing is checked that needs the
/// file or two entries (read_header does). `where` opens every message.
[[nodiscard]] Result<Header> parse_header_json(std::string_view text, const std::string& where);

}  // namespace fathom::io
