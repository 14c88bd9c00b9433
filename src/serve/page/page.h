#pragma once
// The chat page at "/" and the operator's page at "/admin": files that are part of the program, for
// everybody, key or not.
#include <optional>
#include <string_view>

#include "serve/http/response.h"

namespace fathom::serve {

/// Whether there is a file of the pages at this plain path: "/", "/admin" or "/page/chat/app.js".
bool is_page(std::string_view path);

/// The file, or 304 where the browser has it; nullopt: there is none.
std::optional<http::Response> page_response(std::string_view path, const http::Request& request);

}  // namespace fathom::serve
