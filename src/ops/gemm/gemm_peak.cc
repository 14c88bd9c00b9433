#include "ops/gemm/gemm_peak.h"

#include <algorithm>
#include <limits>

#include "base/clock.h"
#include "ops/gemm/gemm.h"
#include "tensor/buffer.h"

namespace fathom::ops {

double gemm_peak_flops_per_s(Ctx& ctx) {
  constexpr double kMeasureSeconds = 0.2;
  constexpr i64 kSize = 1024;  // sums long enough, operands small enough for a shared cache
  Buffer buffer(Device::kCpu, 3 * kSize * kSize * static_cast<i64>(sizeof(float)),
                "the matrix product's measurement");
  auto* values = reinterpret_cast<float*>(buffer.data());
  for (i64 i = 0; i < 2 * kSize * kSize; ++i) values[i] = static_cast<float>(i % 7 - 3);
  Workspace::Scope scope(ctx.workspace());
  const View<const float, 2> a(values, {kSize, kSize});
  const View<const float, 2> b(values + kSize * kSize, {kSize, kSize});
  const GemmJob job = {
      .a = pack(ctx, scope, PackSource(a).as_left(), {.format = GemmFormat::kBf16}),
      .b = pack(ctx, scope, PackSource(b), {.format = GemmFormat::kBf16}),
      .c = View<float, 2>(values + 2 * kSize * kSize, {kSize, kSize}),
      .accumulate = false};
  double best_s = std::numeric_limits<double>::infinity();
  const Clock::time_point start = Clock::now();
  for (int pass = 0; pass < 3 || seconds_since(start) < kMeasureSeconds; ++pass) {
    const Clock::time_point pass_start = Clock::now();
    gemm(ctx, {&job, 1});
    best_s = std::min(best_s, seconds_since(pass_start));
  }
  return 2.0 * kSize * kSize * kSize / best_s;
}

}  // namespace fathom::ops
