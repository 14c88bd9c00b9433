#include "serve/config/listen_config.h"

#include <fmt/format.h>

#include "base/text.h"
#include "serve/http/network.h"

namespace fathom::serve {

void ListenSection::list_fields(FieldList& list) {
  list.add("host", host, "address to listen on");
  list.add("port", port, "0: one that is free", {.min = 0, .max = 65535});
  list.add("allowed_hosts", allowed_hosts,
           "without keys: Host names, beside this machine's, that requests may have");
  list.add("trusted_proxies", trusted_proxies,
           "addresses and networks (10.0.0.0/8) whose X-Forwarded-For says who asks");
  list.add("http_threads", http_threads, "that read requests and write answers",
           {.min = 1, .max = 64});
  list.add("tls_certificate", tls_certificate, "PEM file, with its chain; \"\": plain HTTP");
  list.add("tls_key", tls_key, "PEM file of its key");
  list.add("drain_delay_s", drain_delay_s,
           "from SIGTERM, when /ready fails, to the end of new connections", {.min = 0});
  list.add("drain_timeout_s", drain_timeout_s, "for requests that run at SIGTERM", {.min = 0});
  list.add("log_format", log_format, kLogFormatNames, "of the log's lines");
  list.add("log_level", log_level, kLogLevelNames,
           "from this on; --verbose and --quiet stand above");
}

void ListenSection::check(const std::string& prefix, Problems& problems) const {
  check_texts(prefix + "trusted_proxies", trusted_proxies, http::is_network,
              "addresses and networks such as 10.0.0.0/8", problems);
}

void ConnectionLimits::list_fields(FieldList& list) {
  list.add("max_body_mib", max_body_mib, "of a request", {.min = 0.001, .max = 1024});
  list.add("max_connections", max_connections, "at once", {.min = 1});
  list.add("max_connections_per_address", max_connections_per_address,
           "at once, of one address but this machine's own", {.min = 1});
  list.add("idle_s", idle_s, "between requests on a connection", {.min = 0.1});
  list.add("header_s", header_s, "for a request's header", {.min = 0.1});
  list.add("write_s", write_s, "a client that takes none of its answer for so long is gone",
           {.min = 0.1});
}

http::ServerOptions http_options(const ListenSection& listen, const ConnectionLimits& limits) {
  http::ServerOptions options;
  options.host = listen.host;
  options.port = listen.port;
  options.threads = listen.http_threads;
  options.max_body_bytes = static_cast<i64>(limits.max_body_mib * (1 << 20));
  options.max_connections = limits.max_connections;
  options.max_connections_per_peer = limits.max_connections_per_address;
  options.trusted_proxies = listen.trusted_proxies;
  options.idle_s = limits.idle_s;
  options.header_s = limits.header_s;
  options.write_s = limits.write_s;
  options.tls_certificate = listen.tls_certificate;
  options.tls_key = listen.tls_key;
  return options;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

void check_texts(const std::string& field, const std::vector<std::string>& texts,
                 bool (*is_one)(const std::string&), std::string_view expected,
                 Problems& problems) {
  for (const std::string& text : texts) {
    if (is_one(text)) continue;
    problems.invalid(field, fmt::format("expected {}, found \"{}\"", expected, printable(text)));
  }
}

}  // namespace fathom::serve
