#include "serve/http/trusted_proxies.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <variant>

#include "base/error.h"
#include "base/text.h"
#include "serve/http/network.h"

namespace fathom::serve::http {
namespace {

namespace ip = boost::asio::ip;

/// An IPv4 address that a socket for both kinds shows as ::ffff:1.2.3.4 is that IPv4 address.
ip::address plain(const ip::address& address) {
  if (!address.is_v6() || !address.to_v6().is_v4_mapped()) return address;
  return ip::make_address_v4(ip::v4_mapped, address.to_v6());
}

std::optional<ip::address> address_of(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  boost::system::error_code error;
  const ip::address address = ip::make_address(text, error);
  if (error) return std::nullopt;
  return plain(address);
}

using Network = std::variant<ip::network_v4, ip::network_v6>;

std::optional<Network> parse_network(const std::string& text) {
  const bool is_v6 = text.find(':') != std::string::npos;
  const bool is_address = text.find('/') == std::string::npos;
  const std::string network = is_address ? text + (is_v6 ? "/128" : "/32") : text;
  boost::system::error_code error;
  Network parsed;
  if (is_v6) {
    parsed = ip::make_network_v6(network, error);
  } else {
    parsed = ip::make_network_v4(network, error);
  }
  if (error) return std::nullopt;
  return parsed;
}

}  // namespace

bool is_network(const std::string& text) { return parse_network(text).has_value(); }

bool is_near(const std::string& text, const std::vector<std::string>& networks) {
  const auto address = address_of(text);
  return address && (address->is_loopback() || TrustedProxies(networks).has(*address));
}

TrustedProxies::TrustedProxies(const std::vector<std::string>& networks) {
  for (const std::string& text : networks) {
    const std::optional<Network> network = parse_network(text);
    if (!network) {
      throw Error(ErrorCode::kInvalidInput,
                  fmt::format("expected an address or a network, found \"{}\"", printable(text)));
    }
    if (const auto* const v4 = std::get_if<ip::network_v4>(&*network)) v4_.push_back(*v4);
    if (const auto* const v6 = std::get_if<ip::network_v6>(&*network)) v6_.push_back(*v6);
  }
}

bool TrustedProxies::has(const Address& given) const {
  const ip::address address = plain(given);
  if (address.is_v4()) {
    return std::ranges::any_of(v4_, [one = address.to_v4()](const ip::network_v4& network) {
      return network.canonical() == ip::network_v4(one, network.prefix_length()).canonical();
    });
  }
  return std::ranges::any_of(v6_, [one = address.to_v6()](const ip::network_v6& network) {
    return network.canonical() == ip::network_v6(one, network.prefix_length()).canonical();
  });
}

std::string TrustedProxies::client(const std::string& peer, std::string_view forwarded) const {
  std::optional<ip::address> heard = address_of(peer);
  while (heard && has(*heard) && !forwarded.empty()) {
    const size_t comma = forwarded.rfind(',');
    const bool is_first = comma == std::string_view::npos;
    const auto before = address_of(is_first ? forwarded : forwarded.substr(comma + 1));
    if (!before) break;  // "unknown", or no address at all
    heard = before;
    forwarded = forwarded.substr(0, is_first ? 0 : comma);
  }
  return heard ? heard->to_string() : peer;
}

}  // namespace fathom::serve::http
