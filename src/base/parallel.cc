#include "base/parallel.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <exception>

namespace fathom {
namespace {

std::atomic<int> g_num_threads{0};  // 0 = not set: OpenMP's own default

}  // namespace

int num_threads() {
  const int set = g_num_threads.load(std::memory_order_relaxed);
  return set > 0 ? set : std::max(1, omp_get_max_threads());
}

void set_num_threads(int count) { g_num_threads.store(std::max(1, count)); }

int available_threads() { return omp_in_parallel() != 0 ? 1 : num_threads(); }

namespace parallel_detail {

void run(i64 count, i64 grain, RangeFn fn, void* context) {
  if (count <= 0) return;
  grain = std::max<i64>(1, grain);
  const i64 units = (count + grain - 1) / grain;
  const int threads = available_threads();
  const i64 parts = std::min<i64>(threads, units);
  if (parts == 1) return fn(context, 0, count);

  std::exception_ptr error;
  std::atomic_flag taken = ATOMIC_FLAG_INIT;
  // Always the whole team, though some of it may have no part: when a team is smaller than the one
  // before, GCC's runtime ends the threads left over, and the next larger team starts new ones.
#pragma omp parallel num_threads(threads)
  for (i64 part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) {
    const i64 begin = units * part / parts * grain;
    const i64 end = std::min(count, units * (part + 1) / parts * grain);
    try {
      fn(context, begin, end);
    } catch (...) {
      if (!taken.test_and_set()) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace parallel_detail
}  // namespace fathom
