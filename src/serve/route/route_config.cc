#include "serve/route/route_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "serve/http/client.h"

namespace fathom::serve {
namespace {

bool is_server_url(const std::string& text) { return http::parse_server_url(text).has_value(); }

}  // namespace

void RouteSection::list_fields(FieldList& list) {
  list.add("servers", servers, "that requests go to: http://HOST:PORT each");
  list.add("choice", choice, kRouteChoiceNames,
           "of a server: the one that had most of the request's text before, or one after the "
           "other");
  list.add("patience", patience,
           "requests more than the least loaded server has, that a known text is worth",
           {.min = 0, .max = 1 << 20});
  list.add("servers_want_keys", servers_want_keys,
           "all servers ask for keys, which is looked at: then it may listen anywhere, under any "
           "Host");
  list.add("connect_s", connect_s, "to reach a server, before another one is tried", {.min = 0.01});
  list.add("health_every_s", health_every_s, "between looks at each server's /ready",
           {.min = 0.05});
  list.add("health_timeout_s", health_timeout_s, "for its answer", {.min = 0.05});
  list.add("lost_after", lost_after,
           "looks in a row without an answer: what a server was to answer then goes elsewhere",
           {.min = 1, .max = 1000});
}

void RouteSection::check(const std::string& prefix, Problems& problems) const {
  check_texts(prefix + "servers", servers, is_server_url,
              "http://HOST or http://HOST:PORT (TLS ends before the router)", problems);
  std::vector<std::string> known;
  for (const std::string& server : servers) {
    const auto address = http::parse_server_url(server);
    if (!address) continue;
    const std::string authority = address->authority();
    if (std::ranges::find(known, authority) != known.end()) {
      problems.invalid(prefix + "servers",
                       fmt::format("expected each server once, found {} twice", authority));
    }
    known.push_back(authority);
  }
}

void RouteConfig::list_fields(FieldList& list) {
  list.add("server", server, "where it listens");
  list.add("limits", limits, "what clients may take");
  list.add("route", route, "the servers behind it");
}

/// Who reaches the router reaches the servers.
void RouteConfig::check(const std::string&, Problems& problems) const {
  if (route.servers_want_keys || is_loopback(server.host)) return;
  problems.invalid("server.host",
                   fmt::format("{} can be reached from other machines: expected 127.0.0.1, ::1 or "
                               "localhost, or route.servers_want_keys = true",
                               printable(server.host)));
}

}  // namespace fathom::serve
