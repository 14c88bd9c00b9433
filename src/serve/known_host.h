#pragma once
// Under which names a server that wants no keys may be asked.
#include <string>
#include <vector>

#include "serve/api/error.h"
#include "serve/http/request.h"

namespace fathom::serve {

/// This machine's own names, and those of `allowed`: else any web page could reach it through a
/// name that it points here (DNS rebinding).
bool is_known_host(const http::Request& head, const std::vector<std::string>& allowed);
/// 421, for all others.
ApiError unknown_host();

}  // namespace fathom::serve
