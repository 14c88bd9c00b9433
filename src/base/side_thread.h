#pragma once
// One more thread that does what it is given while its owner does something else: compute beside
// waiting, within one rank.
#include <condition_variable>
#include <exception>
#include <thread>

#include "base/function_ref.h"
#include "base/mutex.h"

namespace fathom {

class SideThread {
 public:
  /// parallel_for on it has `threads` threads of its own (OwnThreads).
  explicit SideThread(int threads);
  /// Waits for what runs.
  ~SideThread();
  SideThread(const SideThread&) = delete;
  SideThread& operator=(const SideThread&) = delete;

  /// Runs `side` there and `here` on the calling thread; returns when both are done. An exception
  /// of either reaches the caller, `here`'s first.
  void both(FunctionRef<void()> side, FunctionRef<void()> here);

 private:
  void work(int threads);
  /// What the job threw, if it did.
  std::exception_ptr wait_until_idle();

  Mutex mutex_;
  std::condition_variable_any changed_;
  const FunctionRef<void()>* job_ FATHOM_GUARDED_BY(mutex_) = nullptr;  // until it is done
  bool ending_ FATHOM_GUARDED_BY(mutex_) = false;
  std::exception_ptr error_ FATHOM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace fathom
