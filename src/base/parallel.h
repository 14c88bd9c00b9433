#pragma once
// The one way to use cores. A range is cut into one contiguous part a thread, and a thread that is
// free takes the part of one that has not come; results must depend on neither.
#include <atomic>
#include <memory>
#include <type_traits>

#include "base/types.h"

namespace fathom {

class ThreadTeam;

/// Threads that parallel_for uses: --threads, else OMP_NUM_THREADS, else the CPUs within the quota.
int num_threads();
void set_num_threads(int count);
/// From the next parallel_for on, thread i of a team stays on the i-th CPU that this process may
/// use; the thread that calls does not, because threads it starts would have to share its CPU. Call
/// it once, after set_num_threads() and before there are other threads. Error kInvalidInput: more
/// threads than CPUs.
void pin_threads();
/// Threads that a parallel_for called here would use: 1 inside another one.
int available_threads();

/// While it lives, parallel_for on the thread that made it has a team of `threads` of its own, that
/// thread among them, in place of the process's: for ranks that are threads of one process, which
/// would otherwise take the one team from each other. num_threads() and available_threads() follow.
class OwnThreads {
 public:
  explicit OwnThreads(int threads);
  ~OwnThreads();
  OwnThreads(const OwnThreads&) = delete;
  OwnThreads& operator=(const OwnThreads&) = delete;

 private:
  std::unique_ptr<ThreadTeam> team_;
  ThreadTeam* outer_team_;
  int outer_threads_;
};

namespace parallel_detail {
using RangeFn = void (*)(void* context, i64 begin, i64 end);
void run(i64 count, i64 grain, RangeFn fn, void* context);
}  // namespace parallel_detail

/// Calls fn(begin, end) on disjoint parts that cover [0, count), each part but the last a multiple
/// of `grain`. Runs on the calling thread if there is one part, or if already inside a parallel_for
/// (no nesting). An exception of fn reaches the caller (the first one, after all parts ended).
/// Allocates nothing.
template <typename Fn>
void parallel_for(i64 count, i64 grain, Fn&& fn) {
  auto call = [](void* context, i64 begin, i64 end) {
    (*static_cast<std::remove_reference_t<Fn>*>(context))(begin, end);
  };
  parallel_detail::run(count, grain, call, const_cast<void*>(static_cast<const void*>(&fn)));
}

/// fn(thread, unit) for units [0, count), in rising order, each on the next thread that is free;
/// `thread` is below min(count, max_threads, available_threads()). For units that take unequal or
/// unknown times: other programs may hold a core. No result may depend on who runs a unit.
template <typename Fn>
void parallel_for_each(i64 count, i64 max_threads, Fn&& fn) {
  const i64 available = available_threads();
  i64 threads = count < available ? count : available;
  if (max_threads < threads) threads = max_threads;
  std::atomic<i64> next{0};
  parallel_for(threads, 1, [&](i64 begin, i64 end) {
    for (i64 thread = begin; thread < end; ++thread) {
      for (i64 unit = next++; unit < count; unit = next++) fn(thread, unit);
    }
  });
}
template <typename Fn>
void parallel_for_each(i64 count, Fn&& fn) {
  parallel_for_each(count, count, fn);
}

}  // namespace fathom
