#pragma once
// Threads that share the parts of one job at a time with the thread that calls: under
// parallel_for(), and nothing else.
#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "base/types.h"

namespace fathom {

/// Nobody waits for a thread that has not begun a part: whoever is free takes the parts of one that
/// the system runs late or not at all. Who waits looks for a while and then sleeps; workers stay
/// off the caller's CPU and within the share of their own that other programs leave them
/// (CpuShare), so that none is stopped within a part that the others wait for.
class ThreadTeam {
 public:
  using PartFn = void (*)(void* context, i64 part);
  /// Called by a worker before it takes parts, with its number from 1 on. True: it has a CPU of its
  /// own, and stays there even beside the caller.
  using ReadyFn = bool (*)(int worker);
  static constexpr int kMaxThreads = 1024;

  /// `spin_ns`: for how long a thread that waits looks before it sleeps.
  ThreadTeam(i64 spin_ns, ReadyFn on_ready) : spin_ns_(spin_ns), on_ready_(on_ready) {}
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  /// No job may run.
  ~ThreadTeam();

  /// fn(context, part) for parts [0, parts), on the calling thread and up to `threads` - 1 workers,
  /// which are started when first needed. Thread t begins with its share of them, from
  /// parts * t / threads on, and goes on with what others have not begun. False, and nothing done,
  /// while another thread's job runs. `fn` must not throw.
  bool try_run(int threads, i64 parts, PartFn fn, void* context);

 private:
  /// Parts of one thread's share that nobody has begun. Both have the job's number in the upper
  /// half, so that a worker who comes late takes nothing of a later job, nor of two.
  struct alignas(64) Share {
    std::atomic<u64> next{0};
    std::atomic<u64> end{0};
  };

  void start_workers(int threads);
  void publish(int threads, i64 parts, PartFn fn, void* context);
  void work(int worker);
  /// Until the job's number is another than `seen`; returns it.
  u32 wait_for_job(u32 seen, i64 spin_ns);
  void take_parts(u32 job, int thread);
  /// The next part of a share, or -1: none is left, or the job is over.
  static i64 take_from(u32 job, Share& share);
  void wait_for_others();

  const i64 spin_ns_;
  const ReadyFn on_ready_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::atomic<bool> ending_{false};
  std::vector<std::thread> workers_;

  // The job. It is written while no part is left, and believed by who then takes a part of it.
  alignas(64) std::atomic<u32> job_{0};
  std::atomic<int> threads_{0};
  std::atomic<PartFn> fn_{nullptr};
  std::atomic<void*> context_{nullptr};
  std::atomic<int> caller_cpu_{-1};
  std::array<Share, kMaxThreads> shares_;

  alignas(64) std::atomic<u32> unfinished_{0};  // parts
  alignas(64) std::atomic<u32> sleepers_{0};
  std::atomic<bool> caller_sleeps_{false};
};

}  // namespace fathom
