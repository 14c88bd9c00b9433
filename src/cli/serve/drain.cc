#include "cli/serve/drain.h"

#include <chrono>
#include <thread>

#include "base/clock.h"
#include "base/log.h"

namespace fathom::cli {
namespace {

constexpr auto kDrainLookAround = std::chrono::milliseconds(20);
constexpr double kLastWordsS = 2;  // for streams to be told that they end

}  // namespace

void drain_server(serve::http::Server& server, const serve::ListenSection& limits,
                  const DrainSteps& steps) {
  const auto is_idle = [&] { return server.busy_connections() == 0; };
  // Until `done()` or so many seconds are over.
  const auto wait = [&](double seconds, const std::function<bool()>& done) {
    const Clock::time_point begin = Clock::now();
    while (!done() && seconds_since(begin) < seconds) {
      steps.look_around();
      std::this_thread::sleep_for(kDrainLookAround);
    }
  };
  log::info("going down: {} requests are being answered", server.busy_connections());
  const Clock::time_point begin = Clock::now();
  steps.refuse_new();
  wait(limits.drain_delay_s, [] { return false; });
  server.stop_accepting();
  wait(limits.drain_timeout_s - seconds_since(begin), is_idle);
  if (is_idle()) return;
  log::warn("{} requests did not end within {} s", server.busy_connections(),
            limits.drain_timeout_s);
  steps.last_words();
  wait(kLastWordsS, is_idle);
}

}  // namespace fathom::cli
