#pragma once
#include <string>

#include "serve/api/error.h"

namespace fathom::serve {

/// {"type": "error", "error": {"type", "message"}, "request_id"}, in Anthropic's words: 529 for a
/// full server, "prompt is too long: X tokens > Y maximum".
io::JsonValue anthropic_error(const ApiError& error, const std::string& request_id);
http::Response anthropic_error_response(const ApiError& error, const std::string& request_id);

}  // namespace fathom::serve
