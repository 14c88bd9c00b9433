#pragma once
#include <string>
#include <vector>

namespace fathom::serve::http {

/// An address or a network: "127.0.0.1", "10.0.0.0/8", "fd00::/8".
bool is_network(const std::string& text);
/// Of this machine alone, or in one of `networks`, which are such. False for what is no address.
bool is_near(const std::string& address, const std::vector<std::string>& networks);

}  // namespace fathom::serve::http
