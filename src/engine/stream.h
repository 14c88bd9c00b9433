#pragma once
// Where a request's results cross from the engine's thread to its client.
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "engine/request.h"

namespace fathom::engine {

/// What a client has not read yet. The texts of the events follow one another in `text`.
struct Events {
  std::vector<Event> events;
  std::string text;
  void clear();
};

/// One request's results. The engine writes, one client reads; cancel() may come from anywhere.
class Stream {
 public:
  /// Waits until there is something, the request has ended or `timeout_s` is over; false then.
  /// What `out` held is overwritten; handing the same Events in again costs no allocation.
  bool read(Events& out, double timeout_s);
  /// As read(), without waiting.
  bool try_read(Events& out) { return read(out, 0.0); }
  /// `listener` is called whenever there are events or progress, at once if there are events: by
  /// the engine's thread, so it must not wait, nor call this stream. One that was there before, or
  /// {} now, is called no more when this returns.
  void listen(std::function<void()> listener);
  /// The client wants nothing more: the engine ends the request within a step.
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

  /// All choices have ended, and their events are read.
  bool done() const;
  RequestStats stats() const;
  /// What went wrong, of a choice with FinishReason::kError.
  std::string error() const;

  // The engine's side.

  /// Before the first write: how many choices will finish.
  void open(i64 choices, i64 reserve_events);
  /// Appends an event with its new text.
  void write(const Event& event, std::string_view text);
  void set_stats(const RequestStats& stats);
  /// The same where there is no event that the client would be woken for.
  void report_progress(const RequestStats& stats);
  void set_error(std::string_view message);
  /// Wakes the reader: once a step, not once a token.
  void notify();
  /// The client lags: this much is unread.
  i64 unread_bytes() const { return unread_bytes_.load(std::memory_order_relaxed); }

 private:
  mutable std::mutex mutex_;
  std::condition_variable readable_;
  std::function<void()> listener_;
  Events unread_;
  i64 unfinished_ = 1;  // choices
  std::atomic<bool> has_news_{false};
  RequestStats stats_;
  std::string error_;
  std::atomic<bool> cancelled_{false};
  std::atomic<i64> unread_bytes_{0};
};

}  // namespace fathom::engine
