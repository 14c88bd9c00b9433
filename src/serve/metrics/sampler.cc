#include "serve/metrics/sampler.h"

#include <algorithm>
#include <chrono>

#include "base/clock.h"

namespace fathom::serve {

Sampler::Sampler(double interval_s, std::function<void()> work)
    : interval_s_(interval_s), work_(std::move(work)), thread_([this] { loop(); }) {}

Sampler::~Sampler() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Sampler::loop() {
  const auto interval =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(interval_s_));
  // After a sleep of the machine one call makes good for those that were missed.
  for (Clock::time_point next = Clock::now();; next = std::max(next + interval, Clock::now())) {
    {
      const Lock lock(mutex_);
      while (!stopping_ && Clock::now() < next) changed_.wait_until(mutex_, next);
      if (stopping_) return;
    }
    work_();
  }
}

}  // namespace fathom::serve
