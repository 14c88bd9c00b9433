#include "base/thread_team.h"

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <climits>
#include <system_error>

#include "base/clock.h"
#include "base/cpu_share.h"

namespace fathom {
namespace {

/// For how long a worker looks for its next job while others want its CPU.
constexpr i64 kSharedSpinNs = 20'000;

/// Sleeps while `word` holds `value`; may return early.
void sleep_while(std::atomic<u32>& word, u32 value) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}

void wake_sleepers(std::atomic<u32>& word, int count) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, count, nullptr, nullptr, 0);
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Looks until is_done() or `spin_ns` are over.
template <typename IsDone>
bool spin_until(i64 spin_ns, IsDone&& is_done) {
  constexpr int kLooksPerClock = 32;
  if (is_done()) return true;
  const Clock::time_point end = Clock::now() + std::chrono::nanoseconds(spin_ns);
  do {
    for (int i = 0; i < kLooksPerClock; ++i) {
      if (is_done()) return true;
      relax();
    }
  } while (Clock::now() < end);
  return is_done();
}

u64 of_job(u32 job, i64 part) { return u64{job} << 32 | static_cast<u32>(part); }

/// Keeps the calling thread off the caller's CPU, if the system put both there: it does so where
/// other programs are busy, for it counts what a program uses and not who waits for whom.
void leave_cpu(int cpu, int threads) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  // The process's own, which a worker's may be less than.
  if (::sched_getaffinity(::getpid(), sizeof cpus, &cpus) != 0 || CPU_COUNT(&cpus) < threads)
    return;
  CPU_CLR(static_cast<size_t>(cpu), &cpus);
  if (CPU_COUNT(&cpus) > 0) ::sched_setaffinity(0, sizeof cpus, &cpus);  // refused: as without it
}

}  // namespace

ThreadTeam::~ThreadTeam() {
  ending_.store(true, std::memory_order_relaxed);
  job_.fetch_add(1);
  wake_sleepers(job_, INT_MAX);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadTeam::start_workers(int threads) {
  try {
    while (std::ssize(workers_) < threads - 1) {
      const int worker = static_cast<int>(std::ssize(workers_)) + 1;
      workers_.emplace_back([this, worker] { work(worker); });
    }
  } catch (const std::system_error&) {
    // The system gives no more threads: those that there are do its parts.
  }
}

bool ThreadTeam::try_run(int threads, i64 parts, PartFn fn, void* context) {
  if (busy_.test_and_set(std::memory_order_acquire)) return false;
  threads = std::min(threads, kMaxThreads);
  start_workers(threads);
  publish(threads, parts, fn, context);
  take_parts(job_.load(std::memory_order_relaxed), 0);
  wait_for_others();
  busy_.clear(std::memory_order_release);
  return true;
}

void ThreadTeam::publish(int threads, i64 parts, PartFn fn, void* context) {
  const u32 job = job_.load(std::memory_order_relaxed) + 1;
  threads_.store(threads, std::memory_order_relaxed);
  fn_.store(fn, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  caller_cpu_.store(::sched_getcpu(), std::memory_order_relaxed);
  unfinished_.store(static_cast<u32>(parts), std::memory_order_relaxed);
  for (int t = 0; t < threads; ++t) {
    Share& share = shares_[static_cast<size_t>(t)];
    share.end.store(of_job(job, parts * (t + 1) / threads), std::memory_order_relaxed);
    // Whoever takes a part of this number sees all that was written before.
    share.next.store(of_job(job, parts * t / threads), std::memory_order_release);
  }
  job_.store(job);
  if (sleepers_.load() == 0) return;
  const bool all_take_part = std::ssize(workers_) < threads;
  wake_sleepers(job_, all_take_part ? static_cast<int>(parts) - 1 : INT_MAX);
}

void ThreadTeam::work(int worker) {
  CpuShare cpu(system_clocks());
  u32 job = 0;
  while (true) {
    job = wait_for_job(job, cpu.share() < 1.0 ? std::min(spin_ns_, kSharedSpinNs) : spin_ns_);
    if (ending_.load(std::memory_order_relaxed)) return;
    const int caller_cpu = caller_cpu_.load(std::memory_order_relaxed);
    if (!on_ready_(worker) && caller_cpu == ::sched_getcpu()) {
      leave_cpu(caller_cpu, threads_.load(std::memory_order_relaxed));
    }
    take_parts(job, worker);
    cpu.rest_if_due();
  }
}

u32 ThreadTeam::wait_for_job(u32 seen, i64 spin_ns) {
  const auto is_new = [&] { return job_.load(std::memory_order_acquire) != seen; };
  while (!spin_until(spin_ns, is_new)) {
    sleepers_.fetch_add(1);
    sleep_while(job_, seen);
    sleepers_.fetch_sub(1);
  }
  return job_.load(std::memory_order_acquire);
}

void ThreadTeam::take_parts(u32 job, int thread) {
  const int threads = threads_.load(std::memory_order_relaxed);
  if (thread >= threads) return;
  for (int i = 0; i < threads; ++i) {
    Share& share = shares_[static_cast<size_t>((thread + i) % threads)];
    for (i64 part = take_from(job, share); part >= 0; part = take_from(job, share)) {
      fn_.load(std::memory_order_relaxed)(context_.load(std::memory_order_relaxed), part);
      if (unfinished_.fetch_sub(1) == 1 && caller_sleeps_.load()) wake_sleepers(unfinished_, 1);
    }
  }
}

i64 ThreadTeam::take_from(u32 job, Share& share) {
  u64 next = share.next.load(std::memory_order_acquire);
  while (next >> 32 == job) {
    const u64 end = share.end.load(std::memory_order_relaxed);
    if (end >> 32 != job || next >= end) return -1;
    if (share.next.compare_exchange_weak(next, next + 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire)) {
      return static_cast<u32>(next);
    }
  }
  return -1;
}

void ThreadTeam::wait_for_others() {
  const auto is_done = [&] { return unfinished_.load(std::memory_order_acquire) == 0; };
  if (spin_until(spin_ns_, is_done)) return;
  caller_sleeps_.store(true);
  for (u32 left = unfinished_.load(); left != 0; left = unfinished_.load()) {
    sleep_while(unfinished_, left);
  }
  caller_sleeps_.store(false, std::memory_order_relaxed);
}

}  // namespace fathom
