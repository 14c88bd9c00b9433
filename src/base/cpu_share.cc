#include "base/cpu_share.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <thread>

namespace fathom {
namespace {

constexpr i64 kWindowNs = 50'000'000;   // the share changes from one to the next
constexpr double kToleratedWait = 0.2;  // of a window
constexpr double kCut = 0.7;
constexpr double kGrowth = 0.05;
constexpr double kLeastShare = 0.1;
/// How long a rested thread runs. Longer ones were stopped more often; the system looks at who is
/// to run next every 4 ms at most.
constexpr double kBurstNs = 1e6;
constexpr i64 kAccountNs = 200'000;  // between two looks at the thread's own clock

i64 read_clock(clockid_t clock) {
  timespec t{};
  ::clock_gettime(clock, &t);
  return i64{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

/// The second number of schedstat.
i64 waited_for_cpu() {
  thread_local const int file = ::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
  std::array<char, 96> text;
  const ssize_t size = ::pread(file, text.data(), text.size(), 0);
  if (size <= 0) return 0;
  const char* const begin = text.data();
  const char* const end = begin + size;
  const char* const space = std::find(begin, end, ' ');
  i64 waited = 0;
  if (space != end) std::from_chars(space + 1, end, waited);
  return waited;
}

}  // namespace

ThreadClocks system_clocks() {
  return {.now = [] { return read_clock(CLOCK_MONOTONIC); },
          .ran = [] { return read_clock(CLOCK_THREAD_CPUTIME_ID); },
          .waited = waited_for_cpu,
          .rest = [](i64 ns) { std::this_thread::sleep_for(std::chrono::nanoseconds(ns)); }};
}

void CpuShare::rest_if_due() {
  const i64 now = clocks_.now();
  if (window_begin_ < 0 || now - window_begin_ >= kWindowNs) end_window(now);
  if (share_ >= 1.0 || now - accounted_at_ < kAccountNs) return;
  account(now);
  if (credit_ns_ >= 0.0) return;
  clocks_.rest(static_cast<i64>((kBurstNs - credit_ns_) / share_));
  account(clocks_.now());
}

void CpuShare::end_window(i64 now) {
  const bool is_first = window_begin_ < 0;
  const i64 waited = clocks_.waited();
  const double part = static_cast<double>(waited - waited_) /
                      static_cast<double>(std::max<i64>(1, now - window_begin_));
  waited_ = waited;
  window_begin_ = now;
  if (is_first) return;
  if (part <= kToleratedWait) {
    share_ = std::min(1.0, share_ + kGrowth);
    return;
  }
  if (share_ >= 1.0) account(now);  // what was used before counts for nothing
  share_ = std::max(kLeastShare, share_ * kCut);
  credit_ns_ = 0.0;
}

void CpuShare::account(i64 now) {
  const i64 ran = clocks_.ran();
  const double earned = share_ * static_cast<double>(now - accounted_at_);
  credit_ns_ = std::min(kBurstNs, credit_ns_ + earned - static_cast<double>(ran - ran_));
  accounted_at_ = now;
  ran_ = ran;
}

}  // namespace fathom
