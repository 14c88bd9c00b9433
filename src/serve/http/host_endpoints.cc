#include "serve/http/host_endpoints.h"

#include <boost/asio/io_context.hpp>
#include <thread>

namespace fathom::serve::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

constexpr double kFreshS = 30;

}  // namespace

HostEndpoints::Found HostEndpoints::find(const ServerAddress& server) {
  boost::system::error_code not_numeric;
  const auto address = asio::ip::make_address(server.host, not_numeric);
  if (!not_numeric) return {.endpoints = {tcp::endpoint(address, server.port)}, .error = {}};
  const Lock lock(mutex_);
  Entry& entry = entries_[server.authority()];
  const bool is_old = entry.found.endpoints.empty() || seconds_since(entry.begun) > kFreshS;
  if (is_old && !entry.found.is_searched) {
    entry.found.is_searched = true;
    entry.begun = Clock::now();
    std::thread([self = shared_from_this(), server] { self->search(server); }).detach();
  }
  return entry.found;
}

void HostEndpoints::search(const ServerAddress& server) {
  asio::io_context io;
  tcp::resolver resolver(io);
  boost::system::error_code error;
  const auto results = resolver.resolve(server.host, std::to_string(server.port), error);
  const Lock lock(mutex_);
  Found& found = entries_[server.authority()].found;
  found.error = error;
  found.is_searched = false;
  if (error) return;  // the old ones stay
  found.endpoints.clear();
  for (const auto& result : results) found.endpoints.push_back(result.endpoint());
}

}  // namespace fathom::serve::http
