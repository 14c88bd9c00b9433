#include "serve/workers.h"

#include <pthread.h>

namespace fathom::serve {

Workers::Workers(i64 threads) {
  for (i64 i = 0; i < threads; ++i) threads_.emplace_back([this] { loop(); });
}

Workers::~Workers() { stop(); }

void Workers::stop() {
  {
    const Lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // What never began holds connections, whose server may end before this object does.
  std::deque<std::function<void()>> dropped;
  const Lock lock(mutex_);
  dropped.swap(waiting_);
}

void Workers::run(std::function<void()> work) {
  {
    const Lock lock(mutex_);
    if (stopping_) return;
    waiting_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void Workers::loop() {
  ::pthread_setname_np(::pthread_self(), "worker");
  while (true) {
    std::function<void()> work;
    {
      const Lock lock(mutex_);
      while (!stopping_ && waiting_.empty()) changed_.wait(mutex_);
      if (stopping_) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

}  // namespace fathom::serve
