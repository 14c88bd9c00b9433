#include <algorithm>
#include <atomic>
#include <chrono>

#include "backend/cpu/table.h"
#include "base/parallel.h"
#include "kernels/cpu/isa/isa_table.h"

namespace fathom::backend::cpu {
namespace {

using Clock = std::chrono::steady_clock;

/// Operations a second of one loop on every thread.
double peak_of(const kernels::cpu::PeakKernel& kernel) {
  constexpr i64 kRounds = 400'000;
  if (kernel.run == nullptr) return 0.0;
  double best = 0.0;
  std::atomic<float> sink = 0.0f;  // keeps the results alive
  for (int pass = 0; pass < 7; ++pass) {
    const Clock::time_point start = Clock::now();
    parallel_for(num_threads(), 1, [&](i64 begin, i64 end) {
      for (i64 i = begin; i < end; ++i) sink.store(kernel.run(kRounds), std::memory_order_relaxed);
    });
    const std::chrono::duration<double> spent = Clock::now() - start;
    const double operations = static_cast<double>(kernel.operations * kRounds * num_threads());
    best = std::max(best, operations / spent.count());
  }
  return best;
}

device::ArithmeticPeaks arithmetic_peaks(const Ctx& ctx, const device::MeasureArithmeticPeaks&) {
  return {.f32 = peak_of(ctx.isa().peak_f32),
          .bf16 = peak_of(ctx.isa().peak_bf16),
          .int8 = peak_of(ctx.isa().peak_int8)};
}

}  // namespace

void set_arithmetic_peaks(device::OpTable& table) { table.set(arithmetic_peaks); }

}  // namespace fathom::backend::cpu
