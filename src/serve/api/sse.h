#pragma once
// Server-sent events.
#include <string>
#include <string_view>
#include <vector>

#include "io/json.h"
#include "serve/http/response.h"

namespace fathom::serve {

/// The headers of every event stream.
std::vector<http::Header> sse_headers();

/// Appends "data: {...}\n\n".
inline void append_data(std::string_view json, std::string& out) {
  out += "data: ";
  out += json;
  out += "\n\n";
}
inline constexpr std::string_view kDone = "[DONE]";

/// `text` as a JSON string, with its quotes.
inline std::string json_text(std::string_view text) { return io::write_json(io::JsonValue(text)); }

}  // namespace fathom::serve
