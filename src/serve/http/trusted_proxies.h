#pragma once
// Internal to http/ (Boost): who a request comes from where a proxy stands between.
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace fathom::serve::http {

/// The proxies whose word about their clients counts.
class TrustedProxies {
 public:
  using Address = boost::asio::ip::address;

  /// Addresses and networks: "127.0.0.1", "10.0.0.0/8", "fd00::/8". Throws Error{kInvalidInput}
  /// that names the one that is neither.
  explicit TrustedProxies(const std::vector<std::string>& networks);

  bool has(const Address& address) const;
  /// `peer` is where the connection comes from, `forwarded` the request's X-Forwarded-For, to which
  /// each proxy appends whom it heard. From its end on, the first that is no trusted proxy; what
  /// stands before that one anybody can have written.
  std::string client(const std::string& peer, std::string_view forwarded) const;

 private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

}  // namespace fathom::serve::http
