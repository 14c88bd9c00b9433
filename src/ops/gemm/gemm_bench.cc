// Speed of training's products: `gemm_bench` checks each format against the double reference, then
// times it.
//   GFLOP/s   2 m n k / time of the product alone, the median of the repetitions
//   of_peak   the same as a share of the peak: what a loop of multiply-adds on registers alone
//             reached between these very repetitions (of BF16 pairs where the set multiplies them)
//   pack+     the share if both operands are packed anew for each product
//   pack_GB/s f32 bytes read by packing / time
// FATHOM_CPU_ISA, OMP_NUM_THREADS and --benchmark_filter=bf16 choose what runs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "kernels/cpu/isa/isa_table.h"
#include "ops/gemm/gemm_test_support.h"

namespace fathom::ops {
namespace {

using testing::normal;

/// Seconds: of this process's turns on the processor, so that other programs do not count; with
/// several threads, of the clock.
double now() {
  timespec t{};
  clock_gettime(num_threads() == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// Twelve independent sums and more hide the latency of every set; a call is 0.2 to 3 Mflop.

constexpr int kPeakSteps = 2048, kPeakSums = 24;

[[gnu::target("avx512f,avx512bf16")]] double peak_bf16_flop() {
  __m512 sums[kPeakSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512i x = _mm512_set1_epi32(0x3f803f80);
  for (int step = 0; step < kPeakSteps; ++step) {
    asm volatile("" : "+v"(x));
#pragma GCC unroll 24
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)x);
  }
  for (__m512& sum : sums) asm volatile("" : : "v"(sum));
  return 2.0 * 32 * kPeakSums * kPeakSteps;
}

[[gnu::target("avx512f")]] double peak_avx512_flop() {
  __m512 sums[kPeakSums];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  __m512 x = _mm512_set1_ps(1.0f);
  for (int step = 0; step < kPeakSteps; ++step) {
    asm volatile("" : "+v"(x));
#pragma GCC unroll 24
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(x, x, sum);
  }
  for (__m512& sum : sums) asm volatile("" : : "v"(sum));
  return 2.0 * 16 * kPeakSums * kPeakSteps;
}

[[gnu::target("avx2,fma")]] double peak_avx2_flop() {
  __m256 sums[kPeakSums / 2];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  __m256 x = _mm256_set1_ps(1.0f);
  for (int step = 0; step < kPeakSteps; ++step) {
    asm volatile("" : "+x"(x));
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(x, x, sum);
  }
  for (__m256& sum : sums) asm volatile("" : : "x"(sum));
  return 2.0 * 8 * kPeakSums / 2 * kPeakSteps;
}

double peak_scalar_flop() {  // four lanes, multiply and add apart
  __m128 sums[kPeakSums / 2];
  for (__m128& sum : sums) sum = _mm_setzero_ps();
  __m128 x = _mm_set1_ps(1.0f);
  for (int step = 0; step < kPeakSteps; ++step) {
#pragma GCC unroll 12
    for (__m128& sum : sums) {
      asm volatile("" : "+x"(x));
      sum = _mm_add_ps(sum, _mm_mul_ps(x, x));
    }
  }
  for (__m128& sum : sums) asm volatile("" : : "x"(sum));
  return 2.0 * 4 * kPeakSums / 2 * kPeakSteps;
}

/// GFLOP/s of one thread on registers alone, in the arithmetic that the product uses.
double peak_gflops(const Ctx& ctx, GemmFormat format) {
  const std::string_view isa = ctx.isa_name();
  const bool pairs = ctx.isa().bf16_dot && format != GemmFormat::kF32;
  auto* run = pairs                       ? peak_bf16_flop
              : isa.starts_with("avx512") ? peak_avx512_flop
              : isa == "avx2"             ? peak_avx2_flop
                                          : peak_scalar_flop;
  double flop = 0;
  const double start = now();
  for (int i = 0; i < 32; ++i) flop += run();
  return flop / (now() - start) * 1e-9;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Shape {
  i64 m, n, k;
};
struct Case {
  const char* name;
  GemmRounding a, b;
};
constexpr Case kCases[] = {{"f32", {GemmFormat::kF32}, {GemmFormat::kF32}},
                           {"bf16", {GemmFormat::kBf16}, {GemmFormat::kBf16}},
                           {"fp8", {GemmFormat::kE4m3}, {GemmFormat::kE4m3, GemmScaling::kBlock}}};
// Dense layers, a vocabulary's head, then experts.
constexpr Shape kShapes[] = {{4096, 1024, 1024}, {4096, 1024, 4096}, {2048, 8192, 512},
                             {1024, 512, 1024},  {1024, 128, 256},   {512, 256, 512},
                             {256, 512, 1024},   {256, 128, 256},    {256, 1024, 512}};

bool verify(const Case& c) {
  Ctx ctx = backend::make_context();
  const auto a = normal<float>({70, 777}, 1.0, 1), b = normal<float>({131, 777}, 1.0, 2);
  const auto want = product(round_operand(a, c.a), round_operand(b, c.b));
  Tensor<float> got({70, 131});
  Workspace::Scope scope(ctx.workspace());
  const GemmJob job{pack(ctx, scope, {a.v<2>()}, c.a), pack(ctx, scope, {b.v<2>()}, c.b),
                    got.v<2>()};
  gemm(ctx, {&job, 1});
  double largest = 0, worst = 0;
  for (i64 i = 0; i < got.size(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
  }
  const bool ok = worst <= kGemmRelTol * largest;
  fmt::print(stderr, "verify {:<5} worst error {:.2e} of the largest |c|, bound {:.2e}: {}\n",
             c.name, worst / largest, kGemmRelTol, ok ? "ok" : "WRONG");
  return ok;
}

/// Buffers of one shape. `count` operands in turn, so that packing reads memory that no cache
/// holds.
struct Operands {
  std::vector<Tensor<float>> a, b;
  Tensor<float> c;

  Operands(const Shape& s, i64 count) : c({s.m, s.n}) {
    for (i64 i = 0; i < count; ++i) {
      a.push_back(normal<float>({s.m, s.k}, 1.0, static_cast<u64>(2 * i)));
      b.push_back(normal<float>({s.n, s.k}, 1.0, static_cast<u64>(2 * i + 1)));
    }
  }
};

/// Seconds of packing both operands, of gemm and of all, and the peak before each.
struct Times {
  std::vector<double> pack, gemm, both, peak_gflops;
};

void time_once(Ctx& ctx, const Case& c, const Operands& in, size_t turn, Times& times,
               View<float, 2> out) {
  const size_t i = turn % in.a.size();
  Workspace::Scope scope(ctx.workspace());
  times.peak_gflops.push_back(peak_gflops(ctx, c.a.format));
  const double start = now();
  const PackedMatrix a = pack(ctx, scope, PackSource(in.a[i].v<2>()).as_left(), c.a);
  const PackedMatrix b = pack(ctx, scope, {in.b[i].v<2>()}, c.b);
  const double packed = now();
  const GemmJob job{a, b, out};
  gemm(ctx, {&job, 1});
  const double multiplied = now();
  times.pack.push_back(packed - start);
  times.gemm.push_back(multiplied - packed);
  times.both.push_back(multiplied - start);
}

void time_gemm(benchmark::State& state, const Case& c, const Shape& s) {
  Ctx ctx = backend::make_context();
  const double input_bytes = 4.0 * static_cast<double>((s.m + s.n) * s.k);
  Operands in(s, std::clamp<i64>(static_cast<i64>(64e6 / input_bytes), 1, 16));
  Times times;
  size_t turn = 0;
  Times warm_up;
  while (turn < 3) time_once(ctx, c, in, turn++, warm_up, in.c.v<2>());
  for (auto _ : state) time_once(ctx, c, in, turn++, times, in.c.v<2>());
  const double gflop = 2e-9 * static_cast<double>(s.m * s.n * s.k);
  const double peak = median(times.peak_gflops) * num_threads();
  state.counters["peak"] = peak;
  state.counters["GFLOP/s"] = gflop / median(times.gemm);
  state.counters["of_peak"] = gflop / median(times.gemm) / peak;
  state.counters["pack+"] = gflop / median(times.both) / peak;
  state.counters["pack_GB/s"] = input_bytes / median(times.pack) * 1e-9;
}

/// Packing alone, of one [4096, 1024] f32 matrix.
void time_pack(benchmark::State& state, const GemmRounding& rounding, bool transpose) {
  Ctx ctx = backend::make_context();
  Operands in({4096, 16, 1024}, 4);
  Workspace::Scope scope(ctx.workspace());
  const i64 bytes =
      std::max(packed_bytes(ctx, 4096, 1024, rounding), packed_bytes(ctx, 1024, 4096, rounding));
  u8* storage = scope.alloc<u8>(bytes).data();
  std::vector<double> seconds;
  size_t turn = 0;
  for (auto _ : state) {
    const double start = now();
    pack(ctx, {in.a[turn++ % 4].v<2>(), transpose}, rounding, storage);
    seconds.push_back(now() - start);
  }
  state.counters["pack_GB/s"] = 4.0 * 4096 * 1024 / median(seconds) * 1e-9;
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  bool ok = true;
  for (const Case& c : kCases) ok = verify(c) && ok;
  if (!ok) return 1;
  fmt::print(stderr, "{}, instruction set {}, {} threads\n", cpu_brand(),
             backend::make_context().isa_name(), num_threads());
  for (const Case& c : kCases) {
    for (const Shape& s : kShapes) {
      const std::string name = fmt::format("gemm/{}/M{}/N{}/K{}", c.name, s.m, s.n, s.k);
      benchmark::RegisterBenchmark(name.c_str(),
                                   [=](benchmark::State& state) { time_gemm(state, c, s); })
          ->Iterations(std::clamp<i64>(i64{20'000'000'000} / (s.m * s.n * s.k), 5, 200))
          ->Unit(benchmark::kMillisecond);
    }
    for (const bool transpose : {false, true}) {
      for (const GemmRounding& rounding : {c.a, c.b}) {
        if (rounding == c.b && c.a == c.b && transpose) continue;
        const std::string name =
            fmt::format("pack/{}{}{}", c.name, transpose ? "/transposed" : "",
                        rounding.scaling == GemmScaling::kBlock ? "/block" : "");
        benchmark::RegisterBenchmark(
            name.c_str(), [=](benchmark::State& state) { time_pack(state, rounding, transpose); })
            ->Iterations(50)
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::ops

int main(int argc, char** argv) { return fathom::ops::run(argc, argv); }
