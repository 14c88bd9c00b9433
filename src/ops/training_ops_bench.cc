// Speed of the ops of training that move memory: `training_ops_bench` times them; their tests
// hold the same calls against the references.
//   GB/s       bytes read and written / time
//   of_stream  as a share of x[i] += y[i] over large arrays, measured by the same threads at the
//   start
// FATHOM_CPU_ISA, OMP_NUM_THREADS and --benchmark_filter=adamw choose what runs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/rope.h"
#include "ops/loss/cross_entropy.h"
#include "ops/moe/moe_train.h"
#include "ops/norm/rmsnorm.h"
#include "ops/optimizer/optimizer.h"
#include "tensor/buffer.h"

namespace fathom::ops {
namespace {

constexpr i64 kTokens = 4096, kHeads = 8, kRope = 64, kExperts = 64, kTopk = 6, kVocab = 8192;
constexpr i64 kParameters = i64{24} << 20;

/// Of one thread its CPU time, which other programs disturb less; else the time that passed.
double now_s() {
  if (num_threads() == 1) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// An array in a Buffer, as a run holds its arrays: on huge pages where the system grants them.
template <typename T>
class Array {
 public:
  explicit Array(std::vector<i64> dims)
      : dims_(std::move(dims)),
        size_(std::accumulate(dims_.begin(), dims_.end(), i64{1}, std::multiplies<>())),
        buffer_(Device::kCpu, size_ * static_cast<i64>(sizeof(T)), "bench"),
        data_(reinterpret_cast<T*>(buffer_.data())) {
    std::fill_n(data_, size_, T{});
  }
  T* data() const { return data_; }
  i64 size() const { return size_; }
  T& operator[](i64 index) const { return data()[index]; }
  template <int R>
  View<T, R> v() const {
    std::array<i64, R> dims{};
    std::copy_n(dims_.begin(), R, dims.begin());
    return {data(), dims};
  }

 private:
  std::vector<i64> dims_;
  i64 size_;
  Buffer buffer_;
  T* data_;
};

/// GB/s of all threads at x[i] += y[i], the best of seven.
double stream_gb_per_s() {
  const Array<float> x({kParameters}), y({kParameters});
  double best = 0;
  for (int repeat = 0; repeat < 7; ++repeat) {
    const double start = now_s();
    parallel_for(kParameters, 4096, [&](i64 begin, i64 end) {
      float* a = x.data();
      const float* b = y.data();
      for (i64 i = begin; i < end; ++i) a[i] += b[i];
    });
    best = std::max(best, 12e-9 * static_cast<double>(kParameters) / (now_s() - start));
  }
  return best;
}

/// Values that fill quickly: a bench needs many.
Array<float> filled(std::vector<i64> dims, float scale = 1.0f) {
  Array<float> x(std::move(dims));
  u32 state = 1;
  for (i64 i = 0; i < x.size(); ++i) {
    state = state * 1664525u + 1013904223u;
    x[i] = scale * (static_cast<float>(state >> 8) * 0x1p-23f - 1.0f);
  }
  return x;
}

struct Case {
  std::string name;
  double bytes;  // read and written by one call
  std::function<void(Ctx&)> run;
};

Case rmsnorm_case(i64 dim) {
  struct Data {
    Array<float> x, dy, dx, w, rstd, dw;
  };
  auto d = std::make_shared<Data>(Data{filled({kTokens, dim}), filled({kTokens, dim}),
                                       Array<float>({kTokens, dim}), filled({dim}),
                                       filled({kTokens}), Array<float>({dim})});
  return {fmt::format("rmsnorm_backward/{}", dim), 12.0 * static_cast<double>(kTokens * dim),
          [d](Ctx& ctx) {
            rmsnorm_backward(ctx, d->dy.v<2>(), d->x.v<2>(), d->w.v<1>(), d->rstd.v<1>(),
                             d->dx.v<2>(), d->dw.v<1>());
          }};
}

Case silu_case(i64 dim) {
  const auto array = [&] { return filled({kTokens, dim}, 3.0f); };
  auto x = std::make_shared<std::array<Array<float>, 5>>(
      std::array{array(), array(), array(), array(), array()});
  return {fmt::format("silu_mul_backward/{}", dim), 20.0 * static_cast<double>(kTokens * dim),
          [x](Ctx& ctx) {
            auto& [dy, gate, up, dgate, dup] = *x;
            silu_mul_backward(ctx, dy.v<2>(), gate.v<2>(), up.v<2>(), dgate.v<2>(), dup.v<2>());
          }};
}

Case rope_case(bool shared_angles) {
  struct Data {
    RopeTable table;
    Array<i64> positions{{kTokens}};
    Array<float> cos{{kTokens, kRope / 2}}, sin{{kTokens, kRope / 2}};
    Array<float> x = filled({kTokens, kHeads, kRope});
  };
  auto d = std::make_shared<Data>();
  for (i64 i = 0; i < kRope / 2; ++i)
    d->table.frequency.push_back(std::pow(1e4, -static_cast<double>(i) / 32.0));
  for (i64 t = 0; t < kTokens; ++t) d->positions[t] = t;
  auto angles = std::make_shared<RopeAngles>(RopeAngles{d->cos.v<2>(), d->sin.v<2>()});
  Ctx ctx = backend::make_context();
  rope_angles(ctx, d->table, d->positions.v<1>(), *angles);
  const double bytes = 8.0 * static_cast<double>(d->x.size());
  if (shared_angles) {
    return {"rope_backward/shared_angles", bytes,
            [d, angles](Ctx& c) { rope_backward_inplace(c, *angles, d->x.v<3>()); }};
  }
  return {"rope_backward", bytes,
          [d](Ctx& c) { rope_backward_inplace(c, d->table, d->positions.v<1>(), d->x.v<3>()); }};
}

Case cross_entropy_case(i64 vocab, i64 tokens) {
  struct Data {
    Array<float> logits;
    Array<i32> targets;
    Array<double> nll;
  };
  auto d = std::make_shared<Data>(
      Data{filled({tokens, vocab}, 5.0f), Array<i32>({tokens}), Array<double>({tokens})});
  return {fmt::format("cross_entropy/{}", vocab), 8.0 * static_cast<double>(tokens * vocab),
          [d](Ctx& ctx) {
            cross_entropy_inplace(ctx, d->logits.v<2>(), d->targets.v<1>(), 1.0f, d->nll.v<1>());
          }};
}

struct RouterData {
  Array<float> logits = filled({kTokens, kExperts}, 3.0f), scores{{kTokens, kExperts}};
  Array<float> dlogits{{kTokens, kExperts}}, weights{{kTokens, kTopk}}, dn = filled({kExperts});
  Array<i32> chosen{{kTokens, kTopk}};
  Array<i64> counts{{kExperts}};
  Array<double> sums{{kExperts}};
  Array<i32> offsets{{kExperts + 1}}, tokens{{kTokens * kTopk}}, slots{{kTokens * kTopk}};
  Array<i32> row_of{{kTokens, kTopk}};
  PermutedRows rows() { return {offsets.v<1>(), tokens.v<1>(), slots.v<1>(), row_of.v<2>()}; }
};

std::vector<Case> router_cases() {
  auto d = std::make_shared<RouterData>();
  Ctx ctx = backend::make_context();
  moe_route(ctx, d->logits.v<2>(), {}, {}, d->chosen.v<2>(), d->weights.v<2>());
  router_scores(ctx, d->logits.v<2>(), ScoringFunc::kSigmoid, d->scores.v<2>());
  group_by_expert(ctx, d->chosen.v<2>(), d->rows());
  const double scores = 4.0 * static_cast<double>(kTokens * kExperts);
  const double choices = 4.0 * static_cast<double>(kTokens * kTopk);
  return {
      {"moe_route", scores + 2 * choices,
       [d](Ctx& c) {
         moe_route(c, d->logits.v<2>(), {}, {}, d->chosen.v<2>(), d->weights.v<2>());
       }},
      {"router_scores", 2 * scores,
       [d](Ctx& c) {
         router_scores(c, d->logits.v<2>(), ScoringFunc::kSigmoid, d->scores.v<2>());
       }},
      {"count_raw_topk", scores,
       [d](Ctx& c) { count_raw_topk(c, d->scores.v<2>(), kTopk, d->counts.v<1>()); }},
      {"count_experts", choices,
       [d](Ctx& c) { count_experts(c, d->chosen.v<2>(), d->counts.v<1>()); }},
      {"sum_normalised_scores", scores,
       [d](Ctx& c) { sum_normalised_scores(c, d->scores.v<2>(), d->sums.v<1>()); }},
      {"router_entropy", scores,
       [d](Ctx& c) { benchmark::DoNotOptimize(router_entropy(c, d->scores.v<2>())); }},
      {"router_backward", 2 * scores + 2 * choices,
       [d](Ctx& c) {
         router_backward(c, d->scores.v<2>(), d->chosen.v<2>(), d->weights.v<2>(), {}, d->dn.v<1>(),
                         d->dlogits.v<2>());
       }},
      {"group_by_expert", 4 * choices,
       [d](Ctx& c) { group_by_expert(c, d->chosen.v<2>(), d->rows()); }},
  };
}

std::vector<Case> combine_cases(i64 dim) {
  struct Data : RouterData {
    explicit Data(i64 dim)
        : x(filled({kTokens * kTopk, dim})),
          y(filled({kTokens, dim})),
          dx({kTokens * kTopk, dim}),
          dw({kTokens, kTopk}) {}
    Array<float> x, y, dx, dw;
  };
  auto d = std::make_shared<Data>(dim);
  Ctx ctx = backend::make_context();
  moe_route(ctx, d->logits.v<2>(), {}, {}, d->chosen.v<2>(), d->weights.v<2>());
  group_by_expert(ctx, d->chosen.v<2>(), d->rows());
  const double row = 4.0 * static_cast<double>(kTokens * dim);
  return {{fmt::format("combine_rows/{}", dim), (kTopk + 1) * row,
           [d](Ctx& c) {
             combine_rows(c, d->x.v<2>(), d->rows(), d->chosen.v<2>(), d->weights.v<2>(), false,
                          d->y.v<2>());
           }},
          {fmt::format("combine_rows_backward/{}/inplace", dim), (2 * kTopk + 1) * row,
           [d](Ctx& c) {
             combine_rows_backward(c, d->y.v<2>(), d->dx.v<2>(), d->rows(), d->weights.v<2>(),
                                   d->dx.v<2>(), d->dw.v<2>());
           }},
          {fmt::format("combine_rows_backward/{}", dim), (2 * kTopk + 1) * row, [d](Ctx& c) {
             combine_rows_backward(c, d->y.v<2>(), d->x.v<2>(), d->rows(), d->weights.v<2>(),
                                   d->dx.v<2>(), d->dw.v<2>());
           }}};
}

Case embedding_case(i64 dim) {
  struct Data {
    Array<float> dout, table;
    Array<i32> ids{{kTokens}};
  };
  auto d = std::make_shared<Data>(Data{filled({kTokens, dim}), Array<float>({kVocab, dim})});
  for (i64 t = 0; t < kTokens; ++t) d->ids[t] = static_cast<i32>(t * 7919 % kVocab);
  return {
      fmt::format("embedding_backward/{}", dim), 12.0 * static_cast<double>(kTokens * dim),
      [d](Ctx& ctx) { embedding_backward(ctx, d->dout.v<2>(), d->ids.v<1>(), d->table.v<2>()); }};
}

std::vector<Case> optimizer_cases() {
  struct Data {
    Array<float> p = filled({kParameters}), g = filled({kParameters}, 0.1f);
    Array<float> m{{kParameters}}, v{{kParameters}};
    Array<Bf16> m16{{kParameters}}, v16{{kParameters}};
    AdamWOptions options{.lr = 1e-4, .weight_decay = 0.1, .step = 10};
  };
  auto d = std::make_shared<Data>();
  const double n = static_cast<double>(kParameters);
  return {
      {"sum_of_squares", 4 * n,
       [d](Ctx& c) { benchmark::DoNotOptimize(sum_of_squares(c, d->g.v<1>())); }},
      {"all_finite", 4 * n, [d](Ctx& c) { benchmark::DoNotOptimize(all_finite(c, d->g.v<1>())); }},
      {"adamw/f32", 28 * n,
       [d](Ctx& c) {
         adamw_step(c, d->p.v<1>(), d->g.v<1>(), d->m.v<1>(), d->v.v<1>(), d->options);
       }},
      {"adamw/bf16", 20 * n,
       [d](Ctx& c) {
         adamw_step(c, d->p.v<1>(), d->g.v<1>(), d->m16.v<1>(), d->v16.v<1>(), d->options);
       }},
      {"ema", 12 * n, [d](Ctx& c) { ema_update(c, d->p.v<1>(), d->g.v<1>(), 0.999f); }},
  };
}

void time_case(benchmark::State& state, const Case& c, double stream) {
  Ctx ctx = backend::make_context();
  c.run(ctx);
  for (auto _ : state) c.run(ctx);
  const double gb = 1e-9 * c.bytes * static_cast<double>(state.iterations());
  using benchmark::Counter;
  state.counters["GB/s"] = Counter(gb, Counter::kIsRate);
  state.counters["of_stream"] = Counter(gb / stream, Counter::kIsRate);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  const double stream = stream_gb_per_s();
  fmt::print(stderr, "{}, instruction set {}, {} threads: x[i] += y[i] moves {:.1f} GB/s\n",
             cpu_brand(), backend::make_context().isa_name(), num_threads(), stream);
  std::vector<Case> cases = optimizer_cases();
  const auto add = [&](std::vector<Case> more) {
    for (Case& c : more) cases.push_back(std::move(c));
  };
  for (const i64 dim : {256, 1024}) {
    add({rmsnorm_case(dim), silu_case(dim), embedding_case(dim)});
    add(combine_cases(dim));
  }
  add({rope_case(false), rope_case(true), cross_entropy_case(kVocab, 1024),
       cross_entropy_case(129280, 64)});
  add(router_cases());
  for (const Case& c : cases) {
    auto* timed = benchmark::RegisterBenchmark(
        c.name.c_str(), [&c, stream](benchmark::State& s) { time_case(s, c, stream); });
    timed->Unit(benchmark::kMicrosecond);
    if (num_threads() > 1) timed->UseRealTime();
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::ops

int main(int argc, char** argv) { return fathom::ops::run(argc, argv); }
