#pragma once
#include <atomic>

#include "serve/metrics/history.h"
#include "serve/metrics/metrics.h"
#include "serve/metrics/open_requests.h"

namespace fathom::serve {

/// What operators look at, beside the accounts.
struct Operations {
  const Metrics& metrics;
  OpenRequests& requests;
  const History& history;
  const std::atomic<bool>& draining;
  double started_s;        // seconds since 1970
  double stalled_after_s;  // see ServiceOptions
};

/// Since the server began.
Activity activity_of(const engine::Engine& engine, const Metrics& metrics);
/// Now.
Load load_of(const engine::Engine& engine);

}  // namespace fathom::serve
