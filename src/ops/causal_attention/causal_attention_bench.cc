// Speed of attention over whole sequences: `causal_attention_bench`, on one thread and in processor
// time; heads of sequences share nothing, so more threads take more of them.
//   GFLOP/s  useful arithmetic / time: 2 * (q.k and p.v; backward 3 of q.k and 2 of p.v) products
//            for each pair of a query and a key that it sees
//   of_peak  bf16: as a share of what ops::gemm reaches, measured at the start
// FATHOM_CPU_ISA and --benchmark_filter choose what runs.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cstdio>

#include "backend/backend.h"
#include "base/cpu_features.h"
#include "base/parallel.h"
#include "ops/causal_attention/causal_attention.h"
#include "ops/gemm/gemm_peak.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::normal;
using testing::Tensor;

struct Case {
  i64 heads, dim, rope, v, seq_len, document;
  std::string name() const {
    return fmt::format("h{}/d{}+{}/v{}/seq{}/documents{}", heads, dim, rope, v, seq_len, document);
  }
};
constexpr Case kCases[] = {{4, 32, 16, 32, 512, 512},
                           {8, 64, 32, 64, 512, 512},
                           {16, 128, 64, 128, 2048, 2048},
                           {16, 128, 64, 128, 2048, 256}};

/// Operands of one case. MLA expanded: keys and values of every head, one rope key for all.
struct Problem {
  explicit Problem(const Case& c)
      : q(normal<float>({c.seq_len, c.heads, c.dim}, 1.0, 1)),
        k(normal<float>({c.seq_len, c.heads, c.dim}, 1.0, 2)),
        q_rope(normal<float>({c.seq_len, c.heads, c.rope}, 1.0, 3)),
        k_rope(normal<float>({c.seq_len, 1, c.rope}, 1.0, 4)),
        v(normal<float>({c.seq_len, c.heads, c.v}, 1.0, 5)),
        dout(normal<float>({c.seq_len, c.heads, c.v}, 1.0, 6)),
        first_key({c.seq_len}),
        out(v.dims()),
        dv(v.dims()),
        lse({c.seq_len, c.heads}),
        dq(q.dims()),
        dk(k.dims()),
        dq_rope(q_rope.dims()),
        dk_rope(q_rope.dims()) {
    for (i64 t = 0; t < c.seq_len; ++t)
      first_key[t] = static_cast<i32>(t / c.document * c.document);
  }

  CausalAttentionInputs inputs(const Case& c, bool bf16) const {
    return {.q = q.v<3>(),
            .k = k.v<3>(),
            .q_rope = q_rope.v<3>(),
            .k_rope = k_rope.v<3>(),
            .v = v.v<3>(),
            .first_key = first_key.v<1>(),
            .seq_len = c.seq_len,
            .scale = 0.1f,
            .bf16 = bf16};
  }
  void forward(Ctx& ctx, const CausalAttentionInputs& in) {
    causal_attention_forward(ctx, in, out.v<3>(), lse.v<2>());
  }
  void backward(Ctx& ctx, const CausalAttentionInputs& in) {
    causal_attention_backward(ctx, in, out.cv<3>(), lse.cv<2>(), dout.v<3>(),
                              {.dq = dq.v<3>(),
                               .dk = dk.v<3>(),
                               .dq_rope = dq_rope.v<3>(),
                               .dk_rope = dk_rope.v<3>(),
                               .dv = dv.v<3>()});
  }

  Tensor<float> q, k, q_rope, k_rope, v, dout;
  Tensor<i32> first_key;
  Tensor<float> out, dv, lse, dq, dk, dq_rope, dk_rope;
};

void time_attention(benchmark::State& state, const Case& c, bool bf16, bool backward,
                    double peak_gflop) {
  Ctx ctx = backend::make_context();
  Problem problem(c);
  const CausalAttentionInputs in = problem.inputs(c, bf16);
  problem.forward(ctx, in);
  for (auto _ : state) backward ? problem.backward(ctx, in) : problem.forward(ctx, in);
  const i64 pairs = c.heads * c.seq_len * (c.document + 1) / 2, qk = c.dim + c.rope;
  const i64 products = pairs * (backward ? 3 * qk + 2 * c.v : qk + c.v);
  const double gflop = 2e-9 * static_cast<double>(products * state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(gflop, benchmark::Counter::kIsRate);
  if (!bf16) return;
  state.counters["of_peak"] = benchmark::Counter(gflop / peak_gflop, benchmark::Counter::kIsRate);
}

int run(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  set_num_threads(1);
  Ctx ctx = backend::make_context();
  const double peak = 1e-9 * gemm_peak_flops_per_s(ctx);
  fmt::print(stderr, "{}, instruction set {}: gemm {:.0f} GFLOP/s\n", cpu_brand(), ctx.isa_name(),
             peak);
  for (const Case& c : kCases) {
    for (const bool bf16 : {true, false}) {
      for (const bool backward : {false, true}) {
        const std::string name = fmt::format("{}/{}/{}", backward ? "backward" : "forward",
                                             bf16 ? "bf16" : "f32", c.name());
        benchmark::RegisterBenchmark(name.c_str(), [=](benchmark::State& s) {
          time_attention(s, c, bf16, backward, peak);
        })->Unit(benchmark::kMillisecond);
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace
}  // namespace fathom::ops

int main(int argc, char** argv) { return fathom::ops::run(argc, argv); }
