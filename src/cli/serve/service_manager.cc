#include "cli/serve/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/types.h"

namespace fathom::cli {
namespace {

/// Of the time that the watchdog waits. systemd's advice is a half; we look only now and then.
constexpr double kAliveShare = 1.0 / 3;

std::string_view variable(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

std::optional<i64> whole_number(std::string_view text) {
  i64 value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// A path, or "@name" of the abstract namespace.
std::string socket_address(std::string_view given) {
  if (given.empty()) return {};
  constexpr size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
  if ((given[0] != '/' && given[0] != '@') || given.size() > kMost) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("NOTIFY_SOCKET: expected an absolute path or @NAME of at most {} "
                            "bytes, found \"{}\"",
                            kMost, given.substr(0, 200)));
  }
  std::string address(given);
  if (address[0] == '@') address[0] = '\0';
  return address;
}

/// 0: none, or another process's.
double watchdog_s() {
  const auto microseconds = whole_number(variable("WATCHDOG_USEC"));
  if (!microseconds || *microseconds <= 0) return 0;
  const auto process = whole_number(variable("WATCHDOG_PID"));
  if (process && *process != getpid()) return 0;
  return static_cast<double>(*microseconds) * 1e-6;
}

i64 monotonic_us() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return i64{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

ServiceManager::ServiceManager()
    : address_(socket_address(variable("NOTIFY_SOCKET"))), last_alive_(Clock::now()) {
  if (address_.empty()) return;
  alive_every_s_ = watchdog_s() * kAliveShare;
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

ServiceManager::~ServiceManager() {
  if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::reloading() {
  send(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
}

void ServiceManager::alive() {
  if (alive_every_s_ <= 0 || seconds_since(last_alive_) < alive_every_s_) return;
  last_alive_ = Clock::now();
  send("WATCHDOG=1");
}

void ServiceManager::send(const std::string& message) {
  if (address_.empty()) return;
  sockaddr_un to = {};
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  const ssize_t sent = ::sendto(socket_, message.data(), message.size(), MSG_NOSIGNAL,
                                reinterpret_cast<const sockaddr*>(&to), length);
  if (sent < 0) log::warn("the service manager cannot be told: {}", std::strerror(errno));
}

}  // namespace fathom::cli
