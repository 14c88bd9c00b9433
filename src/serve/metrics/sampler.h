#pragma once
// A thread that does something again and again.
#include <condition_variable>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace fathom::serve {

class Sampler {
 public:
  /// `work` is called every `interval_s`, the first time at once. It must not throw.
  Sampler(double interval_s, std::function<void()> work);
  ~Sampler();
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

 private:
  void loop();

  const double interval_s_;
  const std::function<void()> work_;
  Mutex mutex_;
  std::condition_variable_any changed_;
  bool stopping_ FATHOM_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace fathom::serve
