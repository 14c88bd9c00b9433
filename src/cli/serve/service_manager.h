#pragma once
// systemd, where it started us: its sd_notify protocol, spoken over the socket that it names.
#include <string>
#include <string_view>

#include "base/clock.h"

namespace fathom::cli {

/// Datagrams to $NOTIFY_SOCKET; nothing without one. See sd_notify(3).
class ServiceManager {
 public:
  /// Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Throws Error for a socket of another
  /// kind than AF_UNIX, which nobody would hear us on.
  ServiceManager();
  ~ServiceManager();
  ServiceManager(const ServiceManager&) = delete;
  ServiceManager& operator=(const ServiceManager&) = delete;

  /// `status` is what `systemctl status` shows.
  void loading(std::string_view status) { send("STATUS=" + std::string(status)); }
  void ready(std::string_view status) { send("READY=1\nSTATUS=" + std::string(status)); }
  void stopping(std::string_view status) { send("STOPPING=1\nSTATUS=" + std::string(status)); }
  /// ready() ends it.
  void reloading();
  /// All is well: tells so when the manager's watchdog is to hear of it.
  void alive();

 private:
  void send(const std::string& message);

  std::string address_;  // of the socket, as the kernel has it; empty: nobody listens
  int socket_ = -1;
  double alive_every_s_ = 0;  // 0: there is no watchdog
  Clock::time_point last_alive_;
};

}  // namespace fathom::cli
