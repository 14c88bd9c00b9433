#pragma once
// A mutex whose use Clang checks (-Wthread-safety): a member says which one guards it.
//   Mutex mutex_;
//   std::deque<Job> jobs_ FATHOM_GUARDED_BY(mutex_);
// To wait, hold a Lock and give the mutex to a std::condition_variable_any.
#include <mutex>

#ifdef __clang__
#define FATHOM_THREAD_ANNOTATION(attribute) __attribute__((attribute))
#else
#define FATHOM_THREAD_ANNOTATION(attribute)
#endif
#define FATHOM_GUARDED_BY(mutex) FATHOM_THREAD_ANNOTATION(guarded_by(mutex))
/// Of a function that is called while the mutex is held.
#define FATHOM_REQUIRES(mutex) FATHOM_THREAD_ANNOTATION(requires_capability(mutex))

namespace fathom {

class FATHOM_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void lock() FATHOM_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void unlock() FATHOM_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

/// Holds the mutex until the end of the block.
class FATHOM_THREAD_ANNOTATION(scoped_lockable) Lock {
 public:
  explicit Lock(Mutex& mutex) FATHOM_THREAD_ANNOTATION(acquire_capability(mutex)) : mutex_(mutex) {
    mutex_.lock();
  }
  ~Lock() FATHOM_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace fathom
