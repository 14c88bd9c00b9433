#pragma once
#include <string>

namespace fathom::serve::http {

/// An address or a network: "127.0.0.1", "10.0.0.0/8", "fd00::/8".
bool is_network(const std::string& text);

}  // namespace fathom::serve::http
