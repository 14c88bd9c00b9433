#include "base/parallel.h"

#include <omp.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "base/control_group.h"
#include "base/error.h"

namespace fathom {
namespace {

std::atomic<int> g_num_threads{0};  // 0 = not set: default_threads()
std::vector<int> g_pinned_cpus;     // of thread i; empty: wherever the system puts it

void stay_on_own_cpu(int thread) {
  thread_local int pinned_as = 0;
  if (thread == pinned_as || thread >= std::ssize(g_pinned_cpus)) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(g_pinned_cpus[static_cast<size_t>(thread)], &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // refused: as without it
  pinned_as = thread;
}

/// OMP_NUM_THREADS where it is set, else the CPUs, as far as the control group's quota goes.
int default_threads() {
  static const int threads = [] {
    const int cpus = std::max(1, omp_get_max_threads());
    const char* wish = std::getenv("OMP_NUM_THREADS");
    const bool wished = wish != nullptr && *wish != '\0';
    return wished ? cpus : threads_within_quota(cpus, cpu_quota());
  }();
  return threads;
}

}  // namespace

int num_threads() {
  const int set = g_num_threads.load(std::memory_order_relaxed);
  return set > 0 ? set : default_threads();
}

void set_num_threads(int count) { g_num_threads.store(std::max(1, count)); }

void pin_threads() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    throw Error(ErrorCode::kIo, "the system does not say which CPUs this process may use");
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  if (num_threads() > std::ssize(cpus)) {
    throw Error(ErrorCode::kInvalidInput,
                std::to_string(num_threads()) + " threads cannot be pinned: this process may use " +
                    std::to_string(cpus.size()) + (cpus.size() == 1 ? " CPU" : " CPUs"));
  }
  g_pinned_cpus = std::move(cpus);
}

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
  {
    stay_on_own_cpu(omp_get_thread_num());
    for (i64 part = omp_get_thread_num(); part < parts; part += omp_get_num_threads()) {
      const i64 begin = units * part / parts * grain;
      const i64 end = std::min(count, units * (part + 1) / parts * grain);
      try {
        fn(context, begin, end);
      } catch (...) {
        if (!taken.test_and_set()) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace parallel_detail
}  // namespace fathom
