#pragma once
// How long a client waits for its next token.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <thread>

#include "base/clock.h"
#include "engine/stream.h"

namespace fathom::engine {

/// Reads a stream on a thread of its own, as a client does, and keeps the longest time between two
/// of its tokens.
class GapWatch {
 public:
  /// `stream` must outlive it, and nobody else may read it meanwhile.
  explicit GapWatch(Stream& stream) : stream_(stream), thread_([this] { run(); }) {}
  ~GapWatch() {
    stopping_ = true;
    thread_.join();
  }
  GapWatch(const GapWatch&) = delete;
  GapWatch& operator=(const GapWatch&) = delete;

  double longest_s() const {
    const std::lock_guard lock(mutex_);
    return longest_s_;
  }

 private:
  void run() {
    Events news;
    std::optional<Clock::time_point> last;
    while (!stopping_) {
      if (!stream_.read(news, /*timeout_s=*/0.01)) continue;
      const Clock::time_point now = Clock::now();
      const std::lock_guard lock(mutex_);
      if (last)
        longest_s_ = std::max(longest_s_, std::chrono::duration<double>(now - *last).count());
      last = now;
    }
  }

  Stream& stream_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;
  double longest_s_ = 0;
  std::thread thread_;
};

}  // namespace fathom::engine
