#include "base/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <strings.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "base/control_group.h"
#include "base/error.h"
#include "base/thread_team.h"

namespace fathom {
namespace {

std::atomic<int> g_num_threads{0};  // 0 = not set: default_threads()
std::vector<int> g_pinned_cpus;     // of thread i; empty: wherever the system puts it

/// True: thread `thread` has one.
bool stay_on_own_cpu(int thread) {
  thread_local int pinned_as = 0;
  if (thread >= std::ssize(g_pinned_cpus)) return false;
  if (thread == pinned_as) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(g_pinned_cpus[static_cast<size_t>(thread)], &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);  // refused: as without it
  pinned_as = thread;
  return true;
}

int allowed_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? std::max(1, CPU_COUNT(&allowed)) : 1;
}

/// OMP_NUM_THREADS where it is set, else the CPUs, as far as the control group's quota goes.
int default_threads() {
  static const int threads = [] {
    const char* wish = std::getenv("OMP_NUM_THREADS");
    const int wished = wish == nullptr ? 0 : std::atoi(wish);
    return wished > 0 ? wished : threads_within_quota(allowed_cpus(), cpu_quota());
  }();
  return threads;
}

/// For how long a thread that waits looks before it sleeps; OMP_WAIT_POLICY=passive: not at all.
i64 spin_ns() {
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  return policy != nullptr && strcasecmp(policy, "passive") == 0 ? 0 : 200'000;
}

// Of OwnThreads; 0: this thread uses the process's team.
thread_local int t_own_threads = 0;
thread_local ThreadTeam* t_own_team = nullptr;

/// Never destroyed: its threads end with the process, and a forked one has none of them.
ThreadTeam& team() {
  if (t_own_team != nullptr) return *t_own_team;
  static ThreadTeam& team = *new ThreadTeam(spin_ns(), stay_on_own_cpu);
  return team;
}

thread_local bool t_in_part = false;

}  // namespace

int num_threads() {
  if (t_own_threads > 0) return t_own_threads;
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

int available_threads() { return t_in_part ? 1 : num_threads(); }

OwnThreads::OwnThreads(int threads)
    : team_(std::make_unique<ThreadTeam>(spin_ns(), [](int) { return false; })),
      outer_team_(std::exchange(t_own_team, team_.get())),
      outer_threads_(std::exchange(t_own_threads, std::max(1, threads))) {}

OwnThreads::~OwnThreads() {
  t_own_team = outer_team_;
  t_own_threads = outer_threads_;
}

namespace parallel_detail {
namespace {

/// Ranges of one parallel_for.
struct Job {
  i64 count, grain, units, parts;
  RangeFn fn;
  void* context;
  std::atomic_flag failed = ATOMIC_FLAG_INIT;
  std::exception_ptr error = {};

  void run(i64 part) {
    const i64 begin = units * part / parts * grain;
    const i64 end = std::min(count, units * (part + 1) / parts * grain);
    t_in_part = true;
    try {
      fn(context, begin, end);
    } catch (...) {
      if (!failed.test_and_set()) error = std::current_exception();
    }
    t_in_part = false;
  }
};

}  // namespace

void run(i64 count, i64 grain, RangeFn fn, void* context) {
  if (count <= 0) return;
  grain = std::max<i64>(1, grain);
  const i64 units = (count + grain - 1) / grain;
  const int threads = available_threads();
  const i64 parts = std::min<i64>(threads, units);
  if (parts == 1) return fn(context, 0, count);
  Job job{count, grain, units, parts, fn, context};
  const auto run_part = [](void* of, i64 part) { static_cast<Job*>(of)->run(part); };
  if (!team().try_run(threads, parts, run_part, &job)) {
    for (i64 part = 0; part < parts; ++part) job.run(part);
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace parallel_detail
}  // namespace fathom
