#pragma once
// Threads for work that takes its time: templates, tokens, grammars.
#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "base/types.h"

namespace fathom::serve {

class Workers {
 public:
  explicit Workers(i64 threads);
  /// As stop().
  ~Workers();
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Waits for what has begun; the rest, and what comes later,
  /// is dropped.
  void stop();
  /// Must not throw.
  void run(std::function<void()> work);

 private:
  void loop();

  Mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<std::function<void()>> waiting_ FATHOM_GUARDED_BY(mutex_);
  bool stopping_ FATHOM_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace fathom::serve
