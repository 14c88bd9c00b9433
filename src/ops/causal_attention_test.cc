#include "ops/causal_attention.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

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
  i64 document = 0;  // tokens of an isolated document; 0: the sequence is one; -1: any first key

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
    return {q.template to<U>(),
            k.template to<U>(),
            q_rope.template to<U>(),
            k_rope.template to<U>(),
            v.template to<U>(),
            dout.template to<U>(),
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
  if (s.document == 0) return x;
  x.first_key = Tensor<i32>({tokens});
  const Philox rng(1, 7);
  for (i64 t = 0; t < tokens; ++t) {
    const i64 position = t % s.seq_len;
    const double any = rng.uniform(static_cast<u64>(t)) * static_cast<double>(position + 1);
    x.first_key[t] = static_cast<i32>(s.document < 0 ? static_cast<i64>(any)
                                                     : position / s.document * s.document);
  }
  return x;
}

/// About one standard deviation of logits, as in a trained model.
float usual_scale(const Shape& s) { return 1.0f / std::sqrt(static_cast<float>(s.dim + s.rope)); }

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
    for_each(
        [&](const char* each, const Tensor<T>& x, bool) { found = name == each ? &x : found; });
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

/// Rows [begin, begin + count) of the first axis.
template <typename T>
Tensor<T> rows(const Tensor<T>& x, i64 begin, i64 count) {
  std::vector<i64> dims = x.dims();
  if (dims.empty()) return x;
  const i64 row = x.size() / dims[0];
  dims[0] = count;
  Tensor<T> part(dims);
  std::copy_n(x.data() + begin * row, count * row, part.data());
  return part;
}

TEST(CausalAttention, LargeLogitsDoNotOverflow) {
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

TEST(CausalAttention, SameBitsForAnyThreadCountAndBatch) {
  for_each_isa([](Ctx& ctx) {
    for (const Shape& s :
         {Shape{3, 100, 4, 2, 1, 16, 8, 24}, Shape{3, 53, 2, 2, 2, 16, 0, 16, 25}}) {
      const auto x = operands(s);
      for (const bool bf16 : {false, true}) {
        const testing::ScopedThreads one(1);
        const auto together = run(ctx, s, x, 0.3f, bf16);
        for (const int threads : {2, 7}) {
          const testing::ScopedThreads scoped(threads);
          run(ctx, s, x, 0.3f, bf16)
              .for_each([&](const char* name, const Tensor<float>& got, bool) {
                expect_bitwise_equal(got, together.named(name), name);
              });
        }
        for (i64 i = 0; i < s.sequences; ++i) {
          const i64 begin = i * s.seq_len, count = s.seq_len;
          Shape alone = s;
          alone.sequences = 1;
          const Operands<float> part{rows(x.q, begin, count),        rows(x.k, begin, count),
                                     rows(x.q_rope, begin, count),   rows(x.k_rope, begin, count),
                                     rows(x.v, begin, count),        rows(x.dout, begin, count),
                                     rows(x.first_key, begin, count)};
          run(ctx, alone, part, 0.3f, bf16)
              .for_each([&](const char* name, const Tensor<float>& got, bool) {
                expect_bitwise_equal(got, rows(together.named(name), begin, count), name);
              });
        }
      }
    }
  });
}

/// Which rows of a result a bad number of row `bad` may reach: of queries, of keys.
struct Reach {
  Tensor<float> Operands<float>::*part;
  bool of_key;          // the bad row is a key's
  const char* certain;  // the result where it must arrive, in every row that it may reach
};

TEST(CausalAttention, WhatIsNotFiniteReachesOnlyThoseThatSeeIt) {
  const Shape s = {1, 130, 2, 1, 1, 16, 8, 24, 50};
  constexpr i64 kBad = 65, kBegin = 50, kEnd = 100;  // its document is [kBegin, kEnd)
  const Reach kReaches[] = {
      {&Operands<float>::q, false, "out"}, {&Operands<float>::q_rope, false, "out"},
      {&Operands<float>::k, true, "out"},  {&Operands<float>::k_rope, true, "out"},
      {&Operands<float>::v, true, "out"},  {&Operands<float>::dout, false, "dv"}};
  const auto clean = operands(s);
  const auto finite = [](const Tensor<float>& row) {
    return std::all_of(row.data(), row.data() + row.size(),
                       [](float v) { return std::isfinite(v); });
  };
  for_each_isa([&](Ctx& ctx) {
    for (const bool bf16 : {false, true}) {
      const auto want = run(ctx, s, clean, 0.2f, bf16);
      for (const Reach& reach : kReaches) {
        for (const float bad :
             {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
          auto x = clean;
          Tensor<float>& part = x.*reach.part;
          part[kBad * (part.size() / s.tokens()) + 5] = bad;
          run(ctx, s, x, 0.2f, bf16)
              .for_each([&](const char* name, const Tensor<float>& got, bool) {
                const bool of_keys = name[0] == 'd' && name[1] != 'q';
                for (i64 t = 0; t < s.tokens(); ++t) {
                  // A bad key reaches its queries, and through them every key of the document.
                  const bool reached = t >= kBegin && t < kEnd &&
                                       (of_keys        ? reach.of_key || t <= kBad
                                        : reach.of_key ? t >= kBad
                                                       : t == kBad);
                  if (!reached) {
                    expect_bitwise_equal(rows(got, t, 1), rows(want.named(name), t, 1), name);
                  } else if (std::isnan(bad) && name == std::string_view(reach.certain)) {
                    EXPECT_FALSE(finite(rows(got, t, 1))) << name << " of token " << t;
                  }
                }
              });
        }
      }
    }
  });
}

// As the model passes them: parts of wider rows.
TEST(CausalAttention, StridedOperandsEqualContiguousOnes) {
  for_each_isa([](Ctx& ctx) {
    const Shape s = {1, 40, 2, 2, 1, 12, 4, 10};
    const auto x = operands(s);
    const auto want = run(ctx, s, x, 0.3f, /*bf16=*/false);
    Tensor<float> q({40, 2, 16}), kv({40, 2, 22}), dq({40, 2, 16}), dkv({40, 2, 22});
    for (i64 row = 0; row < 80; ++row) {
      std::copy_n(x.q.data() + row * 12, 12, q.data() + row * 16);
      std::copy_n(x.q_rope.data() + row * 4, 4, q.data() + row * 16 + 12);
      std::copy_n(x.k.data() + row * 12, 12, kv.data() + row * 22);
      std::copy_n(x.v.data() + row * 10, 10, kv.data() + row * 22 + 12);
    }
    CausalAttentionInputs in = inputs(s, x, 0.3f, false);
    in.q = q.cv<3>().slice(2, 0, 12);
    in.q_rope = q.cv<3>().slice(2, 12, 4);
    in.k = kv.cv<3>().slice(2, 0, 12);
    in.v = kv.cv<3>().slice(2, 12, 10);
    Tensor<float> out({40, 2, 10}), lse({40, 2}), dk_rope({40, 2, 4});
    causal_attention_forward(ctx, in, out.v<3>(), lse.v<2>());
    causal_attention_backward(ctx, in, out.cv<3>(), lse.cv<2>(), x.dout.v<3>(),
                              {.dq = dq.v<3>().slice(2, 0, 12),
                               .dk = dkv.v<3>().slice(2, 0, 12),
                               .dq_rope = dq.v<3>().slice(2, 12, 4),
                               .dk_rope = dk_rope.v<3>(),
                               .dv = dkv.v<3>().slice(2, 12, 10)});
    expect_bitwise_equal(out, want.out);
    expect_bitwise_equal(lse, want.lse);
    expect_bitwise_equal(dk_rope, want.dk_rope);
    const auto expect_part = [](const Tensor<float>& wide, i64 col, const Tensor<float>& part) {
      Tensor<float> got(part.dims());
      const i64 n = part.dim(2), stride = wide.dim(2);
      for (i64 i = 0; i < got.size(); ++i) got[i] = wide[i / n * stride + col + i % n];
      expect_bitwise_equal(got, part);
    };
    expect_part(dq, 0, want.dq);
    expect_part(dq, 12, want.dq_rope);
    expect_part(dkv, 0, want.dk);
    expect_part(dkv, 12, want.dv);
  });
}

TEST(CausalAttention, ReturnsItsScratch) {
  Ctx ctx;
  const Shape s = {2, 33, 2, 1, 1, 8, 4, 8};
  const auto x = operands(s);
  run(ctx, s, x, 0.3f, true);
  const i64 warm = ctx.workspace().capacity_bytes();
  run(ctx, s, x, 0.3f, true);
  EXPECT_EQ(ctx.workspace().used_bytes(), 0);
  EXPECT_EQ(ctx.workspace().capacity_bytes(), warm);
}

TEST(CausalAttention, MisuseNamesTheShapes) {
  Ctx ctx;
  const Shape s = {2, 6, 4, 2, 1, 8, 4, 8, 3};
  const auto x = operands(s);
  Tensor<float> out({12, 4, 8}), lse({12, 4});
  const auto expect_error = [&](const CausalAttentionInputs& in, const char* message) {
    try {
      causal_attention_forward(ctx, in, out.v<3>(), lse.v<2>());
      ADD_FAILURE() << "accepted, expected: " << message;
    } catch (const InternalError& error) {
      EXPECT_THAT(error.what(), ::testing::HasSubstr(message));
    }
  };
  const CausalAttentionInputs good = inputs(s, x, 1.0f, false);
  CausalAttentionInputs in = good;
  in.seq_len = 5;
  expect_error(in, "seq_len 5 vs q [12, 4, 8]");
  in = good;
  in.v = in.v.slice(1, 0, 1);
  expect_error(in, "v is [12, 1, 8], expected [12, 2, 8]");
  in = good;
  in.q = in.q.slice(1, 0, 3);
  expect_error(in, "3 query heads cannot share the 2 heads of k [12, 2, 8]");
  in = good;
  in.k_rope = {};
  expect_error(in, "q_rope [12, 4, 4] vs k_rope");
  in = good;
  Tensor<i32> first_key = x.first_key;
  first_key[7] = 2;
  in.first_key = first_key.cv<1>();
  expect_error(in, "first_key[7] is 2: a query sees at least itself, position 1");
  in.first_key = first_key.cv<1>().slice(0, 0, 11);
  expect_error(in, "first_key [11] vs 12 tokens");
}

TEST(SumHeads, AddsGroupsInRisingOrder) {
  for_each_isa([](Ctx& ctx) {
    for (const i64 dim : {1, 7, 16, 33}) {
      const auto x = normal<float>({5, 6, dim});
      for (const i64 groups : {1, 2, 6}) {
        Tensor<float> y({5, groups, dim}), want({5, groups, dim});
        for (i64 i = 0; i < want.size(); ++i) {
          const i64 token = i / (groups * dim), group = i / dim % groups;
          float sum = 0.0f;
          for (i64 h = 0; h < 6 / groups; ++h) {
            sum += x[(token * 6 + group * (6 / groups) + h) * dim + i % dim];
          }
          want[i] = sum;
        }
        sum_heads(ctx, x.v<3>(), y.v<3>());
        expect_bitwise_equal(y, want, std::to_string(groups));
      }
    }
    const auto x = normal<float>({2, 6, 3});
    Tensor<float> y({2, 4, 3});
    EXPECT_THROW(sum_heads(ctx, x.v<3>(), y.v<3>()), InternalError);
  });
}

}  // namespace
}  // namespace fathom::ops
