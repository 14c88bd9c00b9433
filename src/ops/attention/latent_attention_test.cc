#include "ops/attention/latent_attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/backend.h"
#include "kernels/ref/latent_attention.h"
#include "testing/bf16.h"
#include "testing/expect.h"
#include "testing/for_each_isa.h"
#include "testing/paged_cache.h"
#include "testing/tensor.h"

namespace fathom::ops {
namespace {

using testing::expect_bitwise_equal;
using testing::expect_close;
using testing::for_each_isa;
using testing::normal;
using testing::PagedCache;
using testing::ScopedThreads;
using testing::Tensor;
using testing::to_bf16;

struct Case {
  i64 tokens, heads, rank, rope, keys;
};

/// Numbers of one case, exact in BF16, and the cache that holds the rows.
struct Inputs {
  explicit Inputs(const Case& c)
      : q_latent(to_bf16(normal<float>({c.tokens, c.heads, c.rank}, 0.4, 1))),
        q_rope(to_bf16(normal<float>({c.tokens, c.heads, c.rope}, 0.4, 2))),
        rows(to_bf16(normal<float>({c.keys, c.rank + c.rope}, 1.0, 3))),
        layout{.dtype = CacheDType::kBf16, .cols = c.rank + c.rope, .fp8_cols = 0},
        cache(layout, c.keys) {
    Ctx ctx = backend::make_context();
    cache_store_rows(ctx, rows.v<2>(), cache.rows(), 0);
    // The last query sees every key, the ones before each one less: a causal append.
    for (i64 t = 0; t < c.tokens; ++t) positions.push_back(c.keys - c.tokens + t);
  }
  Tensor<float> run(Ctx& ctx, const Case& c) const {
    Tensor<float> out({c.tokens, c.heads, c.rank});
    const std::vector<u8* const*> pages(static_cast<size_t>(c.tokens), cache.pages());
    latent_attention_forward(ctx, q_latent.v<3>(), q_rope.v<3>(), {positions.data(), {c.tokens}},
                             latent_rows(pages), 0.11f, out.v<3>());
    return out;
  }
  /// The layer's rows of queries with these pages.
  LatentRows latent_rows(std::span<u8* const* const> pages) const {
    return {.layout = layout,
            .pages = {pages.data(), {std::ssize(pages)}},
            .offset_bytes = PagedCache::kOffsetBytes};
  }

  Tensor<float> q_latent, q_rope, rows;
  CacheRowLayout layout;
  PagedCache cache;
  std::vector<i64> positions;
};

/// The definition, in double.
Tensor<double> exact(const Inputs& in, const Case& c) {
  Tensor<double> out({c.tokens, c.heads, c.rank});
  const auto q_latent = in.q_latent.to<double>(), q_rope = in.q_rope.to<double>();
  const auto rows = in.rows.to<double>();
  kernels::ref::latent_attention_forward<double>(q_latent.v<3>(), q_rope.v<3>(), rows.v<2>(),
                                                 {in.positions.data(), {c.tokens}}, double{0.11f},
                                                 out.v<3>());
  return out;
}

constexpr Case kCases[] = {{1, 1, 32, 2, 1},     {1, 16, 64, 16, 2},    {1, 16, 64, 16, 13},
                           {1, 17, 96, 18, 127}, {1, 16, 512, 64, 128}, {1, 16, 512, 64, 129},
                           {3, 5, 64, 30, 301},  {2, 33, 32, 64, 257},  {1, 16, 512, 64, 700},
                           {1, 3, 32, 16, 9001}};

TEST(LatentAttention, MatchesTheDefinition) {
  for_each_isa([](Ctx& ctx) {
    for (const Case& c : kCases) {
      const Inputs in(c);
      if (!has_latent_attention(ctx, in.layout, c.rank)) continue;
      expect_close(in.run(ctx, c), exact(in, c), {.rel = kLatentAttentionRelTol},
                   "heads " + std::to_string(c.heads) + " rank " + std::to_string(c.rank) +
                       " keys " + std::to_string(c.keys));
    }
  });
}

TEST(LatentAttention, AQueryIsAloneWhateverTheThreads) {
  for_each_isa([](Ctx& ctx) {
    const Case c = {4, 17, 64, 16, 400};
    const Inputs in(c);
    if (!has_latent_attention(ctx, in.layout, c.rank)) return;
    const auto want = in.run(ctx, c);
    for (const int threads : {1, 2, 7}) {
      const ScopedThreads scoped(threads);
      expect_bitwise_equal(in.run(ctx, c), want, "threads");
    }
    for (i64 t = 0; t < c.tokens; ++t) {
      Tensor<float> out({1, c.heads, c.rank}), row({1, c.heads, c.rank});
      u8* const* const pages = in.cache.pages();
      latent_attention_forward(ctx, in.q_latent.v<3>().slice(0, t, 1),
                               in.q_rope.v<3>().slice(0, t, 1),
                               {&in.positions[static_cast<size_t>(t)], {1}},
                               in.latent_rows({&pages, 1}), 0.11f, out.v<3>());
      std::copy_n(want.data() + t * row.size(), row.size(), row.data());
      expect_bitwise_equal(out, row, "alone");
    }
  });
}

// Sequences of different lengths in one batch: each query gets what it gets alone.
TEST(LatentAttention, SequencesOfABatchKeepToTheirOwnPages) {
  for_each_isa([](Ctx& ctx) {
    const std::vector<Case> cases = {
        {1, 17, 64, 16, 400}, {3, 17, 64, 16, 128}, {2, 17, 64, 16, 9001}, {1, 17, 64, 16, 1}};
    std::vector<std::unique_ptr<Inputs>> inputs;
    std::vector<i64> positions;
    std::vector<u8* const*> pages;
    for (const Case& c : cases) {
      inputs.push_back(std::make_unique<Inputs>(c));
      const auto& own = inputs.back()->positions;
      positions.insert(positions.end(), own.begin(), own.end());
      pages.insert(pages.end(), static_cast<size_t>(c.tokens), inputs.back()->cache.pages());
    }
    if (!has_latent_attention(ctx, inputs[0]->layout, 64)) return;
    const i64 tokens = std::ssize(positions);
    Tensor<float> q_latent({tokens, 17, 64}), q_rope({tokens, 17, 16}), out({tokens, 17, 64});
    i64 row = 0;
    for (size_t i = 0; i < cases.size(); row += cases[i++].tokens) {
      std::copy_n(inputs[i]->q_latent.data(), inputs[i]->q_latent.size(), &q_latent[row * 17 * 64]);
      std::copy_n(inputs[i]->q_rope.data(), inputs[i]->q_rope.size(), &q_rope[row * 17 * 16]);
    }
    latent_attention_forward(ctx, q_latent.v<3>(), q_rope.v<3>(), {positions.data(), {tokens}},
                             inputs[0]->latent_rows(pages), 0.11f, out.v<3>());
    row = 0;
    for (size_t i = 0; i < cases.size(); row += cases[i++].tokens) {
      const auto alone = inputs[i]->run(ctx, cases[i]);
      Tensor<float> got(alone.dims());
      std::copy_n(&out[row * 17 * 64], got.size(), got.data());
      expect_bitwise_equal(got, alone, "sequence " + std::to_string(i));
    }
  });
}

TEST(LatentAttention, NanReachesWhoSeesIt) {
  for_each_isa([](Ctx& ctx) {
    const Case c = {2, 16, 64, 16, 200};
    Inputs in(c);
    if (!has_latent_attention(ctx, in.layout, c.rank)) return;
    // The last row: only the last query sees it.
    in.rows[199 * 80 + 3] = std::numeric_limits<float>::quiet_NaN();
    cache_store_rows(ctx, in.rows.v<2>(), in.cache.rows(), 0);
    const auto out = in.run(ctx, c);
    for (i64 i = 0; i < out.size(); ++i) EXPECT_EQ(std::isnan(out[i]), i >= out.size() / 2) << i;
  });
}

}  // namespace
}  // namespace fathom::ops
