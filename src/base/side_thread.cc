#include "base/side_thread.h"

#include <utility>

#include "base/parallel.h"

namespace fathom {

SideThread::SideThread(int threads) : thread_([this, threads] { work(threads); }) {}

SideThread::~SideThread() {
  {
    const Lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void SideThread::work(int threads) {
  const OwnThreads own(threads);
  while (true) {
    const FunctionRef<void()>* job = nullptr;
    {
      const Lock lock(mutex_);
      while (job_ == nullptr && !ending_) changed_.wait(mutex_);
      job = job_;
    }
    if (job == nullptr) return;
    std::exception_ptr error;
    try {
      (*job)();
    } catch (...) {
      error = std::current_exception();
    }
    {
      const Lock lock(mutex_);
      error_ = error;
      job_ = nullptr;
    }
    changed_.notify_all();
  }
}

std::exception_ptr SideThread::wait_until_idle() {
  const Lock lock(mutex_);
  while (job_ != nullptr) changed_.wait(mutex_);
  return std::exchange(error_, nullptr);
}

void SideThread::both(FunctionRef<void()> side, FunctionRef<void()> here) {
  {
    const Lock lock(mutex_);
    job_ = &side;
  }
  changed_.notify_all();
  try {
    here();
  } catch (...) {
    wait_until_idle();  // `side` may use what the caller is about to destroy
    throw;
  }
  if (const std::exception_ptr error = wait_until_idle()) std::rethrow_exception(error);
}

}  // namespace fathom
