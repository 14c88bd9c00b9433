#include "serve/route/servers.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/http/client.h"

namespace fathom::serve {
namespace {

/// Takes connections and says nothing.
class SilentServer {
 public:
  SilentServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof(address);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(::bind(fd_, any, bytes), 0);
    EXPECT_EQ(::listen(fd_, 8), 0);
    EXPECT_EQ(::getsockname(fd_, any, &bytes), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentServer() { ::close(fd_); }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  u16 port_ = 0;
};

TEST(ServersTest, ARequestTakenBeforeItsServerWasLostFailsToo) {
  const SilentServer silent;
  RouteSection settings;
  settings.servers = {silent.url()};
  Servers servers(settings);
  http::Client client(http::ClientOptions{});
  servers.set_state(0, ServerState::kReady, "test");
  auto place = servers.take({}, {});
  ASSERT_TRUE(place);
  servers.set_state(0, ServerState::kLost, "test");
  const auto exchange = client.send(servers.address(0), {});
  place->carries(exchange);
  std::string body;
  EXPECT_EQ(exchange->pull(body), http::Exchange::State::kFailed);
  EXPECT_NE(exchange->problem().find("is lost"), std::string::npos);
}

TEST(ServersTest, OnlySilenceKeepsNewRequestsAway) {
  RouteSection settings;
  settings.servers = {"http://127.0.0.1:1"};
  Servers servers(settings);
  servers.set_state(0, ServerState::kReady, "test");
  servers.failed(0, "half an answer", false);
  EXPECT_TRUE(servers.any_ready());
  servers.failed(0, "nothing", true);
  EXPECT_FALSE(servers.any_ready());
  EXPECT_EQ(servers.counts(0).failures, 2);
}

}  // namespace
}  // namespace fathom::serve
