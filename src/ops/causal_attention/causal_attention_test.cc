// The numbers of causal attention: the reference against finite differences, every instruction set
// against the reference.
#include <gmock/gmock.h>

#include <algorithm>

#include "ops/causal_attention/causal_attention_test_support.h"
#include "testing/expect_gradient.h"
#include "testing/for_each_isa.h"

namespace fathom::ops {
namespace {

using namespace attention_test;
using testing::dot;
using testing::expect_close;
using testing::expect_gradient;
using testing::for_each_isa;

/// Gradients per query head [tokens, heads, n] summed over the heads that share a key head.
Tensor<double> shared(const Tensor<double>& grad, i64 groups) {
  const i64 heads = grad.dim(1), n = grad.dim(2);
  Tensor<double> sum({grad.dim(0), groups, n});
  for (i64 i = 0; i < grad.size(); ++i) {
    const i64 token = i / (heads * n), head = i / n % heads;
    sum[(token * groups + head * groups / heads) * n + i % n] += grad[i];
  }
  return sum;
}

TEST(CausalAttention, ReferenceGradientsMatchFiniteDifferences) {
  for (const Shape& s : {Shape{2, 5, 4, 2, 1, 3, 2, 3}, Shape{1, 6, 2, 1, 2, 2, 3, 4, 2}}) {
    auto x = operands(s).to<double>();
    const auto r = reference(s, x, 0.4);
    const auto loss = [&] {
      Tensor<double> out({s.tokens(), s.heads, s.v}), lse({s.tokens(), s.heads});
      ref::causal_attention_forward(reference_inputs(s, x, 0.4), out.v<3>(), lse.v<2>());
      return dot(x.dout, out);
    };
    expect_gradient(loss, x.q, r.dq, s.name() + ": dq");
    expect_gradient(loss, x.k, shared(r.dk, s.kv_heads), s.name() + ": dk");
    expect_gradient(loss, x.q_rope, r.dq_rope, s.name() + ": dq_rope");
    expect_gradient(loss, x.k_rope, shared(r.dk_rope, s.rope_heads), s.name() + ": dk_rope");
    expect_gradient(loss, x.v, shared(r.dv, s.kv_heads), s.name() + ": dv");
  }
}

//                           sequences len heads kv rope_heads dim rope v document
constexpr Shape kShapes[] = {{1, 1, 1, 1, 1, 1, 0, 1},          {3, 2, 2, 1, 1, 7, 3, 7},
                             {2, 63, 2, 2, 1, 16, 7, 16},       {1, 64, 4, 2, 4, 16, 16, 7},
                             {2, 65, 3, 1, 1, 48, 0, 32, 20},   {1, 97, 2, 2, 1, 1, 1, 1, 1},
                             {2, 100, 2, 1, 2, 33, 5, 17, 50},  {1, 257, 2, 2, 1, 128, 64, 128},
                             {1, 257, 1, 1, 1, 31, 0, 80, 111}, {1, 400, 1, 1, 1, 16, 0, 16, 100},
                             {1, 300, 1, 1, 1, 16, 8, 16, -1}};

/// Absolute for gradients of queries with one key: differences of equal sums, 0 in exact
/// arithmetic.
constexpr testing::Tolerance kGradTolerance = {.rel = kCausalAttentionGradRelTol, .abs = 1e-6};

TEST(CausalAttention, EveryIsaMatchesReference) {
  const testing::ScopedThreads one(1);
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s : kShapes) {
      const auto x = operands(s);
      const float scale = usual_scale(s);
      const auto want = reference(s, x.to<double>(), scale);
      run(ctx, s, x, scale, /*bf16=*/false)
          .for_each([&](const char* name, const Tensor<float>& got, bool is_grad) {
            expect_close(got, want.named(name),
                         is_grad ? kGradTolerance : testing::Tolerance{kCausalAttentionRelTol},
                         s.name() + ": " + name);
          });
    }
  });
}

/// |got - want| / |want|; of a want that is 0, as gradients of a query with one key, |got| / 1000.
double relative_norm(const Tensor<float>& got, const Tensor<double>& want) {
  double error = 0, norm = 0;
  for (i64 i = 0; i < want.size(); ++i) {
    const double e = static_cast<double>(got[i]) - want[i];
    error += e * e;
    norm += want[i] * want[i];
  }
  return error == 0 ? 0 : std::sqrt(error) / std::max(std::sqrt(norm), 1e-3);
}

TEST(CausalAttention, Bf16OperandsStayWithinTheirRounding) {
  const testing::ScopedThreads one(1);
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s : kShapes) {
      const auto x = operands(s);
      const float scale = usual_scale(s);
      const auto want = reference(s, x.to<double>(), scale);
      run(ctx, s, x, scale, /*bf16=*/true)
          .for_each([&](const char* name, const Tensor<float>& got, bool) {
            EXPECT_LE(relative_norm(got, want.named(name)), kCausalAttentionBf16RelNorm)
                << s.name() << ": " << name;
          });
    }
  });
}

TEST(CausalAttention, LargeLogitsDoNotOverflow) {
  const testing::ScopedThreads one(1);
  for_each_isa([](Ctx& ctx) {
    const Shape s = {1, 65, 2, 1, 1, 16, 16, 16};
    const auto x = operands(s, /*logit_scale=*/30.0);  // logits of thousands
    const auto want = reference(s, x.to<double>(), 1.0);
    const auto got = run(ctx, s, x, 1.0f, /*bf16=*/false);
    expect_close(got.out, want.out, {.rel = 2e-3});  // eps * 5000 is the error of a probability
    expect_close(got.lse, want.lse, {.rel = kCausalAttentionRelTol});
    got.for_each([&](const char* name, const Tensor<float>& each, bool) {
      for (i64 i = 0; i < each.size(); ++i) ASSERT_TRUE(std::isfinite(each[i])) << name << i;
    });
    run(ctx, s, x, 1.0f, /*bf16=*/true)
        .for_each([&](const char* name, const Tensor<float>& each, bool) {
          for (i64 i = 0; i < each.size(); ++i) ASSERT_TRUE(std::isfinite(each[i])) << name << i;
        });
  });
}

TEST(CausalAttention, NegativeAndZeroScales) {
  const testing::ScopedThreads one(1);
  for_each_isa([](Ctx& ctx) {
    const Shape s = {1, 70, 2, 1, 2, 9, 4, 12, 30};
    const auto x = operands(s);
    for (const float scale : {-0.5f, 0.0f}) {
      const auto want = reference(s, x.to<double>(), static_cast<double>(scale));
      run(ctx, s, x, scale, /*bf16=*/false)
          .for_each([&](const char* name, const Tensor<float>& got, bool) {
            expect_close(got, want.named(name), kGradTolerance, name);
          });
    }
  });
}

}  // namespace
}  // namespace fathom::ops
