#pragma once
// Internal to http/ (Boost): wakes one coroutine from any thread.
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>

#include "base/clock.h"

namespace fathom::serve::http {

inline constexpr auto kAwaitTuple = boost::asio::as_tuple(boost::asio::use_awaitable);

class Signal : public std::enable_shared_from_this<Signal> {
 public:
  /// `strand`: where the coroutine runs.
  explicit Signal(const boost::asio::any_io_executor& strand) : timer_(strand) {}

  /// From any thread; costs next to nothing while the coroutine has not seen the last one.
  void raise() {
    if (raised_.exchange(true)) return;
    boost::asio::post(timer_.get_executor(),
                      [self = shared_from_this()] { self->timer_.cancel(); });
  }

  /// Until raise(), `deadline`, or now and then without a cause: the caller looks for itself.
  boost::asio::awaitable<void> wait(Clock::time_point deadline) {
    if (!raised_.exchange(false)) {
      timer_.expires_at(deadline);
      co_await timer_.async_wait(kAwaitTuple);
      raised_ = false;
    }
  }

 private:
  boost::asio::steady_timer timer_;
  std::atomic<bool> raised_{false};
};

}  // namespace fathom::serve::http
