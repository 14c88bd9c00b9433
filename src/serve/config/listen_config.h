#pragma once
// What every HTTP server here is told: where it listens, how it ends, what its clients may take.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/types.h"
#include "config/field_list.h"
#include "serve/http/server.h"

namespace fathom::serve {

enum class LogFormat { kText, kJson };
inline constexpr std::array<std::pair<LogFormat, std::string_view>, 2> kLogFormatNames = {
    {{LogFormat::kText, "text"}, {LogFormat::kJson, "json"}}};

inline constexpr std::array<std::pair<log::Level, std::string_view>, 4> kLogLevelNames = {
    {{log::Level::kDebug, "debug"},
     {log::Level::kInfo, "info"},
     {log::Level::kWarn, "warn"},
     {log::Level::kError, "error"}}};

/// The part of [server] that is the same for all.
struct ListenSection {
  std::string host = "127.0.0.1";
  i64 port = 8080;
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> trusted_proxies;
  i64 http_threads = 2;
  std::string tls_certificate, tls_key;
  double drain_delay_s = 5;
  double drain_timeout_s = 60;
  LogFormat log_format = LogFormat::kText;
  log::Level log_level = log::Level::kInfo;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

/// The part of [limits] that is the same for all.
struct ConnectionLimits {
  double max_body_mib = 32;
  i64 max_connections = 4096;
  i64 max_connections_per_address = 64;
  double idle_s = 75;
  double header_s = 10;
  double write_s = 30;

  void list_fields(FieldList& list);
};

http::ServerOptions http_options(const ListenSection& listen, const ConnectionLimits& limits);

/// Nobody but this machine reaches it.
bool is_loopback(const std::string& host);
/// Each text that `is_one` does not hold for is a problem of the field.
void check_texts(const std::string& field, const std::vector<std::string>& texts,
                 bool (*is_one)(const std::string&), std::string_view expected, Problems& problems);

}  // namespace fathom::serve
