#include "engine/machine_limits.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>

#include "base/parallel.h"
#include "tensor/buffer.h"

namespace fathom::engine {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Sums 64-byte lines; eight independent sums let the loads run ahead.
u64 sum_lines(const u8* data, i64 bytes) {
  std::array<u64, 8> sums{};
  for (i64 i = 0; i + 64 <= bytes; i += 64) {
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
  constexpr double kMeasureSeconds = 0.05;
  const i64 size = std::clamp(bytes, i64{1} << 20, i64{256} << 20) / 4096 * 4096;
  Buffer buffer(Device::kCpu, size, "the bandwidth measurement");
  // Touch every page from the thread that will read it: untouched pages all map to one zero page.
  parallel_for(size, 4096, [&](i64 begin, i64 end) {
    std::memset(buffer.data() + begin, 1, static_cast<size_t>(end - begin));
  });
  double best = 0.0;
  std::atomic<u64> sink = 0;  // keeps the sums alive
  const Clock::time_point start = Clock::now();
  for (int pass = 0; pass < 3 || seconds_since(start) < kMeasureSeconds; ++pass) {
    const Clock::time_point pass_start = Clock::now();
    parallel_for(size, 4096, [&](i64 begin, i64 end) {
      sink.fetch_add(sum_lines(buffer.data() + begin, end - begin), std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(size) / seconds_since(pass_start));
  }
  return best;
}

}  // namespace fathom::engine
