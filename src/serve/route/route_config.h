#pragma once
// What `fathom route` can be told.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/config/listen_config.h"

namespace fathom::serve {

/// Which server a request goes to. kPrefix: the one that had most of its text before. kTurns: one
/// after the other.
enum class RouteChoice { kPrefix, kTurns };
inline constexpr std::array<std::pair<RouteChoice, std::string_view>, 2> kRouteChoiceNames = {
    {{RouteChoice::kPrefix, "prefix"}, {RouteChoice::kTurns, "turns"}}};

/// [route]: the servers behind it.
struct RouteSection {
  std::vector<std::string> servers;
  RouteChoice choice = RouteChoice::kPrefix;
  i64 patience = 4;
  bool servers_want_keys = false;
  double connect_s = 5;
  double health_every_s = 2;
  double health_timeout_s = 5;
  i64 lost_after = 3;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

struct RouteConfig {
  ListenSection server;
  ConnectionLimits limits;
  RouteSection route;

  void list_fields(FieldList& list);
  /// Rules across sections.
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom::serve
