#include "engine/stream.h"

#include <chrono>
#include <utility>

namespace fathom::engine {

std::string_view finish_reason_name(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kError:
      return "error";
    case FinishReason::kInterrupted:
      break;
  }
  return "interrupted";
}

void Events::clear() {
  events.clear();
  text.clear();
}

bool Stream::read(Events& out, double timeout_s) {
  out.clear();
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return !unread_.events.empty() || unfinished_ == 0; };
  if (!ready() && timeout_s > 0) {
    readable_.wait_for(lock, std::chrono::duration<double>(timeout_s), ready);
  }
  std::swap(out, unread_);
  unread_bytes_.store(0, std::memory_order_relaxed);
  return !out.events.empty();
}

void Stream::listen(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
  if (listener_ && (!unread_.events.empty() || unfinished_ == 0)) listener_();
}

bool Stream::done() const {
  const std::lock_guard lock(mutex_);
  return unfinished_ == 0 && unread_.events.empty();
}

RequestStats Stream::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::string Stream::error() const {
  const std::lock_guard lock(mutex_);
  return error_;
}

void Stream::open(i64 choices, i64 reserve_events) {
  const std::lock_guard lock(mutex_);
  unfinished_ = choices;
  unread_.events.reserve(static_cast<size_t>(reserve_events));
  unread_.text.reserve(static_cast<size_t>(reserve_events) * 16);
}

void Stream::write(const Event& event, std::string_view text) {
  const std::lock_guard lock(mutex_);
  unread_.events.push_back(event);
  unread_.events.back().text_bytes = std::ssize(text);
  unread_.text += text;
  if (event.kind == Event::Kind::kFinish) --unfinished_;
  has_news_ = true;
  unread_bytes_.fetch_add(static_cast<i64>(sizeof(Event)) + std::ssize(text),
                          std::memory_order_relaxed);
}

void Stream::set_stats(const RequestStats& stats) {
  const std::lock_guard lock(mutex_);
  stats_ = stats;
}

void Stream::report_progress(const RequestStats& stats) {
  set_stats(stats);
  has_news_ = true;
}

void Stream::set_error(std::string_view message) {
  const std::lock_guard lock(mutex_);
  error_ = message;
}

void Stream::notify() {
  if (!has_news_.load(std::memory_order_relaxed) || !has_news_.exchange(false)) return;
  readable_.notify_all();
  const std::lock_guard lock(mutex_);
  if (listener_) listener_();
}

}  // namespace fathom::engine
