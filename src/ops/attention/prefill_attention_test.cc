#include "ops/attention/prefill_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "kernels/ref/prefill_attention.h"
#include "testing/bf16.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::ScopedThreads;
using testing::Tensor;
using testing::to_bf16;

struct PrefillCase {
  i64 first_position, tokens;  // the last tokens of first_position + tokens keys
  i64 heads, kv_heads, rope_heads;
  i64 dim, rope, v;
  i64 tile = 64;  // keys of a tile

  i64 keys() const { return first_position + tokens; }
  std::string name() const {
    return std::to_string(first_position) + "+" + std::to_string(tokens) + " tokens, heads " +
           std::to_string(heads) + "/" + std::to_string(kv_heads) + ", dims " +
           std::to_string(dim) + "+" + std::to_string(rope) + "/" + std::to_string(v);
  }
};

constexpr float kScale = 0.17f;

template <typename T>
T& at(Tensor<T>& x, i64 i, i64 j, i64 k) {
  return x[(i * x.dim(1) + j) * x.dim(2) + k];
}
float at(const Tensor<float>& x, i64 i, i64 j, i64 k) {
  return x[(i * x.dim(1) + j) * x.dim(2) + k];
}

/// Numbers of one case, exact in BF16.
struct PrefillInputs {
  explicit PrefillInputs(const PrefillCase& c)
      : q(to_bf16(normal<float>({c.tokens, c.heads, c.dim}, 0.6, 1))),
        q_rope(to_bf16(normal<float>({c.tokens, c.heads, c.rope}, 0.6, 2))),
        k(to_bf16(normal<float>({c.keys(), c.kv_heads, c.dim}, 1.0, 3))),
        k_rope(to_bf16(normal<float>({c.keys(), c.rope_heads, c.rope}, 1.0, 4))),
        v(to_bf16(normal<float>({c.keys(), c.kv_heads, c.v}, 1.0, 5))) {}

  /// Queries [first, first + count) of the case.
  Tensor<float> run(Ctx& ctx, const PrefillCase& c, i64 first, i64 count) const {
    Tensor<float> out({count, c.heads, c.v});
    Workspace::Scope scope(ctx.workspace());
    const bool rope = c.rope > 0;
    const auto queries = q.v<3>().slice(0, first, count);
    const View<const float, 3> transposed =
        rope ? View<const float, 3>(q_rope.v<3>().slice(0, first, count)) : View<const float, 3>();
    const i64 position = c.first_position + first, keys = position + count;
    const auto attention =
        prefill_attention_begin(ctx, scope, queries, transposed, position, kScale, c.v, c.tile);
    for (i64 begin = 0; begin < keys; begin += c.tile) {
      const i64 n = std::min(c.tile, keys - begin);
      const View<const float, 3> k_transposed =
          rope ? View<const float, 3>(k_rope.v<3>().slice(0, begin, n)) : View<const float, 3>();
      prefill_attention_tile(ctx, attention, k.v<3>().slice(0, begin, n), k_transposed,
                             v.v<3>().slice(0, begin, n), begin);
    }
    prefill_attention_end(ctx, attention, out.v<3>());
    return out;
  }
  Tensor<float> run(Ctx& ctx, const PrefillCase& c) const { return run(ctx, c, 0, c.tokens); }

  Tensor<float> q, q_rope, k, k_rope, v;
};

/// The definition, in double.
Tensor<double> exact_prefill(const PrefillInputs& in, const PrefillCase& c) {
  Tensor<double> out({c.tokens, c.heads, c.v});
  const auto q = in.q.to<double>(), k = in.k.to<double>(), v = in.v.to<double>();
  const auto q_rope = in.q_rope.to<double>(), k_rope = in.k_rope.to<double>();
  kernels::ref::prefill_attention_forward<double>(q.v<3>(), k.v<3>(), q_rope.v<3>(), k_rope.v<3>(),
                                                  v.v<3>(), c.first_position, double{kScale},
                                                  out.v<3>());
  return out;
}

const std::vector<PrefillCase>& cases() {
  static const std::vector<PrefillCase> all = {
      {0, 1, 1, 1, 1, 2, 2, 1},          {0, 33, 2, 2, 1, 8, 4, 6},
      {0, 64, 2, 2, 1, 32, 0, 16},       {5, 17, 4, 2, 1, 16, 16, 24},
      {63, 40, 4, 1, 1, 20, 0, 33},      {200, 7, 2, 1, 2, 48, 18, 17},
      {0, 130, 16, 16, 1, 128, 64, 128}, {31, 129, 3, 3, 1, 34, 30, 130, 96}};
  return all;
}

/// fn(ctx) for every instruction set that has the kernels.
template <typename Fn>
void for_each_able_isa(Fn&& fn) {
  for_each_isa([&](Ctx& ctx) {
    if (has_prefill_attention(ctx, 2, 2)) fn(ctx);
  });
}

TEST(PrefillAttention, EqualsTheDefinition) {
  for_each_able_isa([](Ctx& ctx) {
    for (const PrefillCase& c : cases()) {
      const PrefillInputs in(c);
      expect_close(in.run(ctx, c), exact_prefill(in, c), {.rel = kPrefillAttentionRelTol},
                   c.name());
    }
  });
}

TEST(PrefillAttention, ThreadsAndChunksChangeNothing) {
  for_each_able_isa([](Ctx& ctx) {
    for (const PrefillCase& c : cases()) {
      const PrefillInputs in(c);
      const Tensor<float> whole = in.run(ctx, c);
      for (const int threads : {1, 3, 8}) {
        const ScopedThreads scoped(threads);
        expect_bitwise_equal(in.run(ctx, c), whole, c.name());
      }
      for (const i64 chunk : {13, 37}) {
        for (i64 first = 0; first < c.tokens; first += chunk) {
          const i64 count = std::min(chunk, c.tokens - first);
          const Tensor<float> part = in.run(ctx, c, first, count);
          const float* want = whole.data() + first * c.heads * c.v;
          EXPECT_TRUE(std::equal(part.data(), part.data() + part.size(), want))
              << c.name() << ", tokens from " << first;
        }
      }
    }
  });
}

TEST(PrefillAttention, LargeScoresStayFinite) {
  const PrefillCase c{0, 40, 2, 2, 1, 32, 0, 16};
  PrefillInputs in(c);
  for (i64 i = 0; i < in.q.size(); ++i) in.q[i] *= 1024.0f;  // exact
  for_each_able_isa([&](Ctx& ctx) {
    expect_close(in.run(ctx, c), exact_prefill(in, c), {.rel = kPrefillAttentionRelTol}, c.name());
  });
}

TEST(PrefillAttention, NanOfALaterTileReachesNoEarlierQuery) {
  const PrefillCase c{0, 128, 2, 2, 1, 32, 0, 16};
  PrefillInputs in(c);
  for_each_able_isa([&](Ctx& ctx) {
    const Tensor<float> before = in.run(ctx, c);
    PrefillInputs broken = in;
    at(broken.v, 64, 0, 0) = std::numeric_limits<float>::quiet_NaN();  // the first key of tile 1
    Tensor<float> after = broken.run(ctx, c);
    for (i64 t = 0; t < 64; ++t) EXPECT_EQ(at(after, t, 0, 0), at(before, t, 0, 0)) << t;
    EXPECT_TRUE(std::isnan(at(after, 64, 0, 0)));
    EXPECT_EQ(at(after, 127, 1, 0), at(before, 127, 1, 0));  // the other head
  });
}

}  // namespace
}  // namespace fathom::ops
