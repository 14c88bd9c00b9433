// Speed of the products: `ops_bench` checks each kernel against the double reference, then times
// it.
//   GFLOP/s  2 * tokens * rows * cols / time
//   GB/s     stored weights / time; the weights of one timing are larger than the caches
//   of_read  GB/s as a share of the read bandwidth that the same threads measured at the start
// FATHOM_CPU_ISA, OMP_NUM_THREADS and --benchmark_filter=bf16/M1 choose what runs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "base/rng.h"
#include "kernels/ref/linear.h"
#include "ops/linear/linear.h"
#include "ops/quantize/quantize.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

constexpr i64 kDim = 2048;                  // rows and cols of one matrix
constexpr i64 kPoolBytes = i64{768} << 20;  // matrices of one timing
constexpr i64 kScaleBlocks = kDim / kFp8Block;

/// Many stored matrices of like numbers, so that each call reads memory that no cache holds.
class WeightPool {
 public:
  explicit WeightPool(DType dtype)
      : dtype_(dtype),
        count_(kPoolBytes / (kDim * kDim * dtype_bytes(dtype))),
        data_(Device::kCpu, count_ * kDim * kDim * dtype_bytes(dtype), "bench weights"),
        scale_({kScaleBlocks, kScaleBlocks}) {
    const Philox rng(1, 0);
    for (i64 i = 0; i < scale_.size(); ++i) scale_[i] = 1e-4f * static_cast<float>(1 + i % 7);
    const i64 first = kDim * kDim;
    for (i64 i = 0; i < first; ++i) {
      const float value = static_cast<float>(rng.uniform(static_cast<u64>(i)) - 0.5);
      if (dtype == DType::kF32) reinterpret_cast<float*>(data_.data())[i] = value;
      if (dtype == DType::kBF16) reinterpret_cast<Bf16*>(data_.data())[i] = Bf16(value);
      if (dtype == DType::kF8E4M3)
        reinterpret_cast<Fp8E4M3*>(data_.data())[i] = Fp8E4M3(400 * value);
    }
    const i64 bytes = first * dtype_bytes(dtype);
    for (i64 m = 1; m < count_; ++m) std::copy_n(data_.data(), bytes, data_.data() + m * bytes);
  }

  i64 count() const { return count_; }
  MatRef matrix(i64 index) const {
    MatRef w;
    w.dtype = dtype_;
    w.rows = w.cols = kDim;
    w.data = data_.data() + index * kDim * kDim * dtype_bytes(dtype_);
    if (dtype_ == DType::kF8E4M3) {
      w.scale = scale_.data();
      w.scale_stride = kScaleBlocks;
    }
    return w;
  }

 private:
  DType dtype_;
  i64 count_;
  Buffer data_;
  testing::Tensor<float> scale_;
};

/// GB/s of all threads reading a large buffer, the best of five.
double read_bandwidth_gb_per_s() {
  const WeightPool pool(DType::kF32);
  const auto* words = static_cast<const u64*>(pool.matrix(0).data);
  const i64 count = kPoolBytes / 8;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto start = Clock::now();
    parallel_for(count, 4096, [&](i64 begin, i64 end) {
      u64 sums[16] = {};
      for (i64 i = begin; i + 16 <= end; i += 16) {
        for (i64 j = 0; j < 16; ++j) sums[j] += words[i + j];
      }
      benchmark::DoNotOptimize(sums);
    });
    best = std::max(best, static_cast<double>(kPoolBytes) / seconds_since(start) / 1e9);
  }
  return best;
}

struct Case {
  const char* name;
  DType dtype;
  Activations activations;
};
constexpr Case kCases[] = {{"f32", DType::kF32, Activations::kF32},
                           {"bf16", DType::kBF16, Activations::kBf16},
                           {"fp8", DType::kF8E4M3, Activations::kBf16},
                           {"fp8_fp8act", DType::kF8E4M3, Activations::kFp8}};

/// One product against the reference in double, on the input as the kernel rounds it.
bool verify(const Case& c, const WeightPool& pool) {
  Ctx ctx = backend::make_context();
  auto x = testing::normal<float>({6, kDim});
  for (i64 i = 0; i < x.size(); ++i) {  // exact in every mode: E4M3 values, each tile's largest 448
    x[i] = i % kFp8Block == 0 ? kE4m3Max : static_cast<float>(Fp8E4M3(50.0f * x[i]));
  }
  const MatRef w = pool.matrix(pool.count() - 1).row_slice(100, 40);
  testing::Tensor<float> y({6, 40}), decoded({40, kDim});
  testing::Tensor<double> want({6, 40});
  linear_forward(ctx, x.v<2>(), w, y.v<2>(), c.activations);
  dequantize(ctx, w, decoded.v<2>());
  const auto exact_x = x.to<double>(), exact_w = decoded.to<double>();
  kernels::ref::linear_forward<double>(exact_x.v<2>(), exact_w.v<2>(), want.v<2>());
  double largest = 0, worst = 0;
  for (i64 i = 0; i < y.size(); ++i) {
    largest = std::max(largest, std::abs(want[i]));
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - want[i]));
  }
  const bool ok = worst <= kLinearRelTol * largest;
  fmt::print(stderr, "verify {:<12} worst error {:.2e} of the largest |y|, bound {:.2e}: {}\n",
             c.name, worst / largest, kLinearRelTol, ok ? "ok" : "WRONG");
  return ok;
}

void time_linear(benchmark::State& state, const Case& c, i64 tokens, double read_gb_per_s) {
  static DType pooled = DType::kBool;
  static std::unique_ptr<WeightPool> pool;  // one at a time
  if (pool == nullptr || pooled != c.dtype) {
    pool.reset();
    pool = std::make_unique<WeightPool>(c.dtype);
    pooled = c.dtype;
  }
  Ctx ctx = backend::make_context();
  const auto x = testing::normal<float>({tokens, kDim});
  testing::Tensor<float> y({tokens, kDim});
  i64 index = 0;
  for (auto _ : state) {
    linear_forward(ctx, x.v<2>(), pool->matrix(index), y.v<2>(), c.activations);
    benchmark::DoNotOptimize(y.data());
    index = (index + 1) % pool->count();
  }
  const double calls = static_cast<double>(state.iterations());
  const double gflop = 2e-9 * static_cast<double>(tokens * kDim * kDim);
  const double gb = 1e-9 * static_cast<double>(pool->matrix(0).size_bytes());
  using benchmark::Counter;
  state.counters["GFLOP/s"] = Counter(calls * gflop, Counter::kIsRate);
  state.counters["GB/s"] = Counter(calls * gb, Counter::kIsRate);
  state.counters["of_read"] = Counter(calls * gb / read_gb_per_s, Counter::kIsRate);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  bool ok = true;
  for (const Case& c : kCases) ok = verify(c, WeightPool(c.dtype)) && ok;
  if (!ok) return 1;
  const double read = read_bandwidth_gb_per_s();
  fmt::print(stderr, "{}, instruction set {}, {} threads: read bandwidth {:.1f} GB/s\n",
             cpu_brand(), backend::make_context().isa_name(), num_threads(), read);
  for (const Case& c : kCases) {
    for (const i64 tokens : {1, 4, 16, 128, 512}) {
      benchmark::RegisterBenchmark(fmt::format("linear/{}/M{}", c.name, tokens).c_str(),
                                   [=](benchmark::State& s) { time_linear(s, c, tokens, read); })
          ->UseRealTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::ops

int main(int argc, char** argv) { return fathom::ops::run(argc, argv); }
