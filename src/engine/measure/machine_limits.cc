#include "engine/measure/machine_limits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "base/clock.h"
#include "base/control_group.h"
#include "base/parallel.h"
#include "tensor/buffer.h"

namespace fathom::engine {
namespace {

/// Sums 64-byte lines; eight independent sums let the loads run ahead. `ahead`: bytes that memory
/// is asked for before they are read; 0 leaves it to the hardware.
u64 sum_lines(const u8* data, i64 bytes, i64 ahead) {
  std::array<u64, 8> sums{};
  for (i64 i = 0; i + 64 <= bytes; i += 64) {
    if (ahead > 0) __builtin_prefetch(data + i + ahead);
    std::array<u64, 8> line;
    std::memcpy(line.data(), data + i, sizeof line);
    for (size_t lane = 0; lane < 8; ++lane) sums[lane] += line[lane];
  }
  u64 total = 0;
  for (const u64 sum : sums) total += sum;
  return total;
}

}  // namespace

double read_bandwidth_bytes_per_s(i64 bytes) {
  // Under a quota the threads stand still for most of each period (0.1 s as a rule): long enough to
  // begin several of them afresh.
  const double measure_seconds = cpu_quota() ? 0.35 : 0.05;
  constexpr std::array<i64, 3> kAhead = {0, 1024, 4096};  // which is best differs by machine
  const i64 size = std::clamp(bytes, i64{1} << 20, i64{512} << 20) / 4096 * 4096;
  Buffer buffer(Device::kCpu, size, "the bandwidth measurement");
  // Touch every page from the thread that will read it: untouched pages all map to one zero page.
  parallel_for(size, 4096, [&](i64 begin, i64 end) {
    std::memset(buffer.data() + begin, 1, static_cast<size_t>(end - begin));
  });
  double best = 0.0;
  std::atomic<u64> sink = 0;  // keeps the sums alive
  const Clock::time_point start = Clock::now();
  for (size_t pass = 0; pass < 2 * kAhead.size() || seconds_since(start) < measure_seconds;
       ++pass) {
    const i64 ahead = kAhead[pass % kAhead.size()];
    const Clock::time_point pass_start = Clock::now();
    parallel_for(size, 4096, [&](i64 begin, i64 end) {
      const u64 sum = sum_lines(buffer.data() + begin, end - begin, ahead);
      sink.fetch_add(sum, std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(size) / seconds_since(pass_start));
  }
  return best;
}

}  // namespace fathom::engine
