#include "ops/causal_attention.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "kernels/ref/causal_attention.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

namespace ref = kernels::ref;
using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::Tensor;

struct Shape {
  i64 sequences, seq_len, heads, kv_heads, rope_heads, dim, rope, v;
  i64 document = 0;  // tokens of an isolated document; 0: the sequence is one

  std::string name() const {
    return fmt::format("sequences {} x {}, heads {}/{}/{}, dims {}+{}/{}, documents of {}",
                       sequences, seq_len, heads, kv_heads, rope_heads, dim, rope, v, document);
  }
  i64 tokens() const { return sequences * seq_len; }
};

/// Operands of one shape, rounded to BF16 where a test wants them exact there.
template <typename T>
struct Operands {
  Tensor<T> q, k, q_rope, k_rope, v, dout;
  Tensor<i32> first_key;

  template <typename U>
  Operands<U> to() const {
    return {q.template to<U>(),      k.template to<U>(), q_rope.template to<U>(),
            k_rope.template to<U>(), v.template to<U>(), dout.template to<U>(),
            first_key};
  }
};

Operands<float> operands(const Shape& s, double logit_scale = 1.0) {
  const i64 tokens = s.tokens();
  Operands<float> x{normal<float>({tokens, s.heads, s.dim}, logit_scale, 1),
                    normal<float>({tokens, s.kv_heads, s.dim}, logit_scale, 2),
                    normal<float>({tokens, s.heads, s.rope}, logit_scale, 3),
                    normal<float>({tokens, s.rope_heads, s.rope}, logit_scale, 4),
                    normal<float>({tokens, s.kv_heads, s.v}, 1.0, 5),
                    normal<float>({tokens, s.heads, s.v}, 1.0, 6),
                    {}};
  if (s.document > 0) {
    x.first_key = Tensor<i32>({tokens});
    for (i64 t = 0; t < tokens; ++t) {
      x.first_key[t] = static_cast<i32>(t % s.seq_len / s.document * s.document);
    }
  }
  return x;
}

/// About one standard deviation of logits, as in a trained model.
float usual_scale(const Shape& s) {
  return 1.0f / std::sqrt(static_cast<float>(s.dim + s.rope));
}

template <typename T>
struct Result {
  explicit Result(const Shape& s)
      : out({s.tokens(), s.heads, s.v}),
        lse({s.tokens(), s.heads}),
        dq({s.tokens(), s.heads, s.dim}),
        dk({s.tokens(), s.heads, s.dim}),
        dq_rope({s.tokens(), s.heads, s.rope}),
        dk_rope({s.tokens(), s.heads, s.rope}),
        dv({s.tokens(), s.heads, s.v}) {}
  Tensor<T> out, lse, dq, dk, dq_rope, dk_rope, dv;

  /// fn(name, tensor, is a gradient) over all.
  template <typename Fn>
  void for_each(Fn&& fn) const {
    fn("out", out, false);
    fn("lse", lse, false);
    fn("dq", dq, true);
    fn("dk", dk, true);
    fn("dq_rope", dq_rope, true);
    fn("dk_rope", dk_rope, true);
    fn("dv", dv, true);
  }
  const Tensor<T>& named(const std::string& name) const {
    const Tensor<T>* found = nullptr;
    for_each([&](const char* each, const Tensor<T>& x, bool) { found = name == each ? &x : found; });
    return *found;
  }
};

template <typename T, int R>
View<T, R> view_or_empty(Tensor<T>& x) {
  return x.size() == 0 ? View<T, R>() : x.template v<R>();
}
template <typename T, int R>
View<const T, R> view_or_empty(const Tensor<T>& x) {
  return x.size() == 0 ? View<const T, R>() : x.template cv<R>();
}

CausalAttentionInputs inputs(const Shape& s, const Operands<float>& x, float scale, bool bf16) {
  return {.q = x.q.v<3>(),
          .k = x.k.v<3>(),
          .q_rope = view_or_empty<float, 3>(x.q_rope),
          .k_rope = view_or_empty<float, 3>(x.k_rope),
          .v = x.v.v<3>(),
          .first_key = view_or_empty<i32, 1>(x.first_key),
          .seq_len = s.seq_len,
          .scale = scale,
          .bf16 = bf16};
}

Result<float> run(Ctx& ctx, const Shape& s, const Operands<float>& x, float scale, bool bf16) {
  Result<float> r(s);
  const CausalAttentionInputs in = inputs(s, x, scale, bf16);
  for (Tensor<float>* each : {&r.out, &r.lse, &r.dq, &r.dk, &r.dq_rope, &r.dk_rope, &r.dv}) {
    for (i64 i = 0; i < each->size(); ++i) (*each)[i] = 1e30f;  // overwritten, not accumulated
  }
  causal_attention_forward(ctx, in, r.out.v<3>(), r.lse.v<2>());
  causal_attention_backward(ctx, in, r.out.cv<3>(), r.lse.cv<2>(), x.dout.v<3>(),
                            {.dq = r.dq.v<3>(),
                             .dk = r.dk.v<3>(),
                             .dq_rope = view_or_empty<float, 3>(r.dq_rope),
                             .dk_rope = view_or_empty<float, 3>(r.dk_rope),
                             .dv = r.dv.v<3>()});
  return r;
}

ref::CausalAttention<double> reference_inputs(const Shape& s, const Operands<double>& x,
                                              double scale) {
  return {.q = x.q.v<3>(),
          .k = x.k.v<3>(),
          .q_rope = view_or_empty<double, 3>(x.q_rope),
          .k_rope = view_or_empty<double, 3>(x.k_rope),
          .v = x.v.v<3>(),
          .first_key = view_or_empty<i32, 1>(x.first_key),
          .seq_len = s.seq_len,
          .scale = scale};
}

Result<double> reference(const Shape& s, const Operands<double>& x, double scale) {
  Result<double> r(s);
  const auto in = reference_inputs(s, x, scale);
  ref::causal_attention_forward(in, r.out.v<3>(), r.lse.v<2>());
  ref::causal_attention_backward(in, r.out.cv<3>(), r.lse.cv<2>(), x.dout.v<3>(),
                                 {.dq = r.dq.v<3>(),
                                  .dk = r.dk.v<3>(),
                                  .dq_rope = view_or_empty<double, 3>(r.dq_rope),
                                  .dk_rope = view_or_empty<double, 3>(r.dk_rope),
                                  .dv = r.dv.v<3>()});
  return r;
}

/// d(sum of out * dout) / dx[i] by central differences.
double slope(const Shape& s, Operands<double> x, Tensor<double> Operands<double>::*part, i64 i) {
  constexpr double kStep = 1e-5;
  const auto value = [&](double shift) {
    Operands<double> moved = x;
    (moved.*part)[i] += shift;
    Tensor<double> out({s.tokens(), s.heads, s.v}), lse({s.tokens(), s.heads});
    ref::causal_attention_forward(reference_inputs(s, moved, 0.4), out.v<3>(), lse.v<2>());
    double sum = 0;
    for (i64 j = 0; j < out.size(); ++j) sum += out[j] * x.dout[j];
    return sum;
  };
  return (value(kStep) - value(-kStep)) / (2 * kStep);
}

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
    const auto x = operands(s).to<double>();
    const auto r = reference(s, x, 0.4);
    const auto check = [&](const char* name, Tensor<double> Operands<double>::*part,
                           const Tensor<double>& grad) {
      ASSERT_EQ(grad.dims(), (x.*part).dims());
      Tensor<double> want(grad.dims());
      for (i64 i = 0; i < grad.size(); ++i) want[i] = slope(s, x, part, i);
      expect_close(grad, want, {.rel = 1e-8}, s.name() + ": " + name);
    };
    check("dq", &Operands<double>::q, r.dq);
    check("dk", &Operands<double>::k, shared(r.dk, s.kv_heads));
    check("dq_rope", &Operands<double>::q_rope, r.dq_rope);
    check("dk_rope", &Operands<double>::k_rope, shared(r.dk_rope, s.rope_heads));
    check("dv", &Operands<double>::v, shared(r.dv, s.kv_heads));
  }
}

//                           sequences len heads kv rope_heads dim rope v document
constexpr Shape kShapes[] = {{1, 1, 1, 1, 1, 1, 0, 1},
                             {3, 2, 2, 1, 1, 7, 3, 7},
                             {2, 63, 2, 2, 1, 16, 7, 16},
                             {1, 64, 4, 2, 4, 16, 16, 7},
                             {2, 65, 3, 1, 1, 48, 0, 32, 20},
                             {1, 97, 2, 2, 1, 1, 1, 1, 1},
                             {2, 100, 2, 1, 2, 33, 5, 17, 50},
                             {1, 257, 2, 2, 1, 128, 64, 128},
                             {1, 257, 1, 1, 1, 31, 0, 80, 111}};

TEST(CausalAttention, EveryIsaMatchesReference) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s : kShapes) {
      const auto x = operands(s);
      const float scale = usual_scale(s);
      const auto want = reference(s, x.to<double>(), scale);
      run(ctx, s, x, scale, /*bf16=*/false)
          .for_each([&](const char* name, const Tensor<float>& got, bool is_grad) {
            expect_close(got, want.named(name),
                         {.rel = is_grad ? kCausalAttentionGradRelTol : kCausalAttentionRelTol},
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

}  // namespace
}  // namespace fathom::ops
