// What causal attention promises beside its numbers: the same bits for any threads and other rows,
// NaN that stays with those that see it, strides, scratch, refusals.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "ops/causal_attention/causal_attention_test_support.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/special_values.h"

namespace fathom::ops {
namespace {

using namespace attention_test;
using testing::expect_bitwise_equal;
using testing::for_each_isa;
using testing::kInf;
using testing::kNan;

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

constexpr Shape kDocuments = {1, 130, 2, 1, 1, 16, 8, 24, 50};
constexpr i64 kBegin = 50, kEnd = 100;  // the document with the bad number

/// A number that is not finite in one row of an operand.
struct Bad {
  Tensor<float> Operands<float>::*part;
  bool of_key;          // the row is a key's
  const char* certain;  // the result where a NaN must arrive, in every row that it may reach
  i64 row;
  float value;

  /// Whether it may reach row t of a result. A key reaches its queries, and through them every key
  /// of the document; a query reaches itself and the keys that it sees.
  bool reaches(i64 t, bool result_of_keys) const {
    if (t < kBegin || t >= kEnd) return false;
    if (result_of_keys) return of_key || t <= row;
    return of_key ? t >= row : t == row;
  }
};

void expect_contained(const Bad& bad, const Result<float>& clean, const Result<float>& got) {
  got.for_each([&](const char* name, const Tensor<float>& x, bool) {
    const bool of_keys = name[0] == 'd' && name[1] != 'q';
    const i64 n = x.size() / x.dim(0);
    for (i64 t = 0; t < x.dim(0); ++t) {
      const float *row = x.data() + t * n, *want = clean.named(name).data() + t * n;
      if (!bad.reaches(t, of_keys)) {
        EXPECT_EQ(std::memcmp(row, want, static_cast<size_t>(n) * sizeof(float)), 0)
            << name << " of token " << t << " changed";
      } else if (std::isnan(bad.value) && name == std::string_view(bad.certain)) {
        EXPECT_FALSE(std::all_of(row, row + n, [](float v) { return std::isfinite(v); }))
            << name << " of token " << t << " hides it";
      }
    }
  });
}

TEST(CausalAttention, WhatIsNotFiniteReachesOnlyThoseThatSeeIt) {
  using Part = Operands<float>;
  std::vector<Bad> all;
  // Rows of both parities: BF16 operands hold them in pairs.
  for (const auto& [row, value] : {std::pair<i64, float>{65, kNan}, {72, kNan}, {72, -kInf}}) {
    for (const auto part : {&Part::q, &Part::q_rope})
      all.push_back({part, false, "out", row, value});
    for (const auto part : {&Part::k, &Part::k_rope, &Part::v}) {
      all.push_back({part, true, "out", row, value});
    }
    all.push_back({&Part::dout, false, "dv", row, value});
  }
  const testing::ScopedThreads one(1);  // many small runs
  for_each_isa([&](Ctx& ctx) {
    for (const bool bf16 : {false, true}) {
      const auto clean = operands(kDocuments);
      const auto want = run(ctx, kDocuments, clean, 0.2f, bf16);
      for (const Bad& bad : all) {
        auto x = clean;
        Tensor<float>& part = x.*bad.part;
        part[bad.row * (part.size() / part.dim(0)) + 5] = bad.value;
        expect_contained(bad, want, run(ctx, kDocuments, x, 0.2f, bf16));
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
  Ctx ctx = backend::make_context();
  const Shape s = {2, 33, 2, 1, 1, 8, 4, 8};
  const auto x = operands(s);
  run(ctx, s, x, 0.3f, true);
  const i64 warm = ctx.workspace().capacity_bytes();
  run(ctx, s, x, 0.3f, true);
  EXPECT_EQ(ctx.workspace().used_bytes(), 0);
  EXPECT_EQ(ctx.workspace().capacity_bytes(), warm);
}

TEST(CausalAttention, MisuseNamesTheShapes) {
  Ctx ctx = backend::make_context();
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
