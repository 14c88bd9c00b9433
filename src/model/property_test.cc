// What must hold for every model whatever its numbers: chunking, batching, forms, threads,
// truncation.
#include <cstring>

#include "backend/backend.h"
#include "base/parallel.h"
#include "model/step.h"
#include "model/test_support.h"
#include "model/tolerances.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

using ops::CacheDType;
using testing::expect_bitwise_equal;
using testing::for_each_isa;

class PropertyTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Model& model() const { return golden_.model(); }
  std::vector<i32> ids() const { return golden_.ids("input_ids"); }
  Golden golden_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Cases, PropertyTest, ::testing::ValuesIn(golden_cases()),
                         [](const auto& c) { return c.param; });

RunOptions with_form(MlaForm form, RunOptions options = kExact) {
  options.mla_form = form;
  return options;
}

TEST_P(PropertyTest, AnyChunkingGivesTheSameBitsInOneForm) {
  for_each_isa([&](Ctx& ctx) {
    for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
      for (const RunOptions& options : {with_form(form), with_form(form, RunOptions{})}) {
        const Tensor<float> whole =
            run(ctx, model(), ids(), options, kPrefillTokens - 1, CacheDType::kBf16);
        for (const i64 chunk : {1, 2, 3, 7, 11}) {
          expect_bitwise_equal(run(ctx, model(), ids(), options, chunk, CacheDType::kBf16), whole,
                               fmt::format("{} in chunks of {}", ctx.isa_name(), chunk));
        }
      }
    }
  });
}

/// `count` ids, the case's own over and over.
std::vector<i32> repeated(const std::vector<i32>& ids, size_t count) {
  std::vector<i32> result;
  for (size_t i = 0; i < count; ++i) result.push_back(ids[i % ids.size()]);
  return result;
}

TEST_P(PropertyTest, ChunkedPrefillGivesTheSameBits) {
  const std::vector<i32> prompt = repeated(ids(), 3 * kPrefillTokens);
  for_each_isa([&](Ctx& ctx) {
    for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
      for (const RunOptions& options : {with_form(form), with_form(form, RunOptions{})}) {
        const Tensor<float> whole = run(ctx, model(), prompt, options, 0, CacheDType::kBf16);
        for (const i64 chunk : {kPrefillTokens, 3 * kPrefillTokens / 2, 2 * kPrefillTokens}) {
          expect_bitwise_equal(run(ctx, model(), prompt, options, chunk, CacheDType::kBf16), whole,
                               fmt::format("{} in chunks of {}", ctx.isa_name(), chunk));
        }
      }
    }
  });
}

TEST_P(PropertyTest, PrefillAndDecodeShareAStep) {
  const std::vector<i32> tokens = repeated(ids(), 2 * kPrefillTokens);
  const std::vector<std::span<const i32>> parts = {
      std::span(tokens).first(kPrefillTokens + 1), std::span(tokens).first(1),
      std::span(tokens).subspan(3, kPrefillTokens), std::span(tokens).first(kPrefillTokens - 1)};
  for_each_isa([&](Ctx& ctx) {
    std::vector<KvCache> caches;
    std::vector<SequenceStep> steps;
    for (size_t i = 0; i < parts.size(); ++i) {
      caches.emplace_back(model().config(), CacheDType::kBf16, 2 * kPrefillTokens);
    }
    for (size_t i = 0; i < parts.size(); ++i) {
      steps.push_back({.token_ids = parts[i],
                       .cache = &caches[i],
                       .logits = i == 2 ? LogitRows::kAll : LogitRows::kLast});
    }
    Tensor<float> batched = new_logits(model(), Model::logits_rows(steps));
    model().forward(ctx, steps, RunOptions{}, batched.v<2>());
    i64 row = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
      KvCache cache(model().config(), CacheDType::kBf16, 2 * kPrefillTokens);
      const SequenceStep step{.token_ids = parts[i], .cache = &cache, .logits = steps[i].logits};
      Tensor<float> alone = new_logits(model(), Model::logits_rows({&step, 1}));
      model().forward(ctx, {&step, 1}, RunOptions{}, alone.v<2>());
      Tensor<float> got(alone.dims());
      std::copy_n(batched.v<2>().row(row), got.size(), got.data());
      expect_bitwise_equal(got, alone, fmt::format("{} sequence {}", ctx.isa_name(), i));
      EXPECT_EQ(caches[i].length(), std::ssize(parts[i]));
      row += alone.dim(0);
    }
  });
}

TEST_P(PropertyTest, PrefillThenDecodeIsOnePass) {
  for_each_isa([&](Ctx& ctx) {
    const auto tokens = ids();
    const Tensor<float> whole = run(ctx, model(), tokens);
    const size_t half = tokens.size() / 2;
    KvCache cache(model().config(), CacheDType::kF32, std::ssize(tokens));
    run(ctx, model(), std::span(tokens).first(half), cache);
    const Tensor<float> rest = run(ctx, model(), std::span(tokens).subspan(half), cache, kExact, 1);
    Tensor<float> want(rest.dims());
    std::copy_n(whole.v<2>().row(static_cast<i64>(half)), want.size(), want.data());
    EXPECT_LE(relative_error(rest, want), kF32LogitTol) << ctx.isa_name();
  });
}

TEST_P(PropertyTest, AbsorbedIsExpanded) {
  for_each_isa([&](Ctx& ctx) {
    for (const CacheDType dtype : {CacheDType::kF32, CacheDType::kBf16, CacheDType::kFp8}) {
      const Tensor<float> expanded =
          run(ctx, model(), ids(), with_form(MlaForm::kExpanded), 0, dtype);
      const Tensor<float> absorbed =
          run(ctx, model(), ids(), with_form(MlaForm::kAbsorbed), 0, dtype);
      EXPECT_LE(relative_error(absorbed, expanded), kF32LogitTol) << ctx.isa_name();
    }
  });
}

TEST_P(PropertyTest, ABatchIsItsSequencesAlone) {
  for_each_isa([&](Ctx& ctx) {
    for (const RunOptions& options : {kExact, RunOptions{}}) {
      const auto tokens = ids();
      // Three sequences of different lengths at different positions; only the second wants all
      // logits.
      const std::vector<std::span<const i32>> parts = {std::span(tokens).subspan(3, 5),
                                                       std::span(tokens).first(4),
                                                       std::span(tokens).subspan(1, 1)};
      const std::vector<std::span<const i32>> before = {
          std::span(tokens).first(3), {}, std::span(tokens).first(6)};
      std::vector<KvCache> caches;
      std::vector<SequenceStep> steps;
      for (size_t i = 0; i < parts.size(); ++i) {
        caches.emplace_back(model().config(), CacheDType::kBf16, 16);
        if (!before[i].empty()) run(ctx, model(), before[i], caches.back(), options);
      }
      for (size_t i = 0; i < parts.size(); ++i) {
        steps.push_back({.token_ids = parts[i],
                         .cache = &caches[i],
                         .logits = i == 1 ? LogitRows::kAll : LogitRows::kLast});
      }
      ASSERT_EQ(Model::logits_rows(steps), 1 + 4 + 1);
      Tensor<float> batched = new_logits(model(), 6);
      model().forward(ctx, steps, options, batched.v<2>());
      i64 row = 0;
      for (size_t i = 0; i < parts.size(); ++i) {
        EXPECT_EQ(caches[i].length(), std::ssize(before[i]) + std::ssize(parts[i]));
        KvCache cache(model().config(), CacheDType::kBf16, 16);
        if (!before[i].empty()) run(ctx, model(), before[i], cache, options);
        const SequenceStep step{.token_ids = parts[i], .cache = &cache, .logits = steps[i].logits};
        Tensor<float> alone = new_logits(model(), Model::logits_rows({&step, 1}));
        model().forward(ctx, {&step, 1}, options, alone.v<2>());
        Tensor<float> got(alone.dims());
        std::copy_n(batched.v<2>().row(row), got.size(), got.data());
        expect_bitwise_equal(got, alone, fmt::format("{} sequence {}", ctx.isa_name(), i));
        row += alone.dim(0);
      }
    }
  });
}

// With so many that every thread takes sequences of its own.
TEST_P(PropertyTest, ManySequencesThatDecodeAreEachAlone) {
  const testing::ScopedThreads threads(3);
  Ctx ctx = backend::make_context();
  constexpr size_t kSequences = 13;
  const auto tokens = ids();
  std::vector<KvCache> caches, alone;
  std::vector<SequenceStep> steps;
  for (size_t i = 0; i < kSequences; ++i) {
    for (auto* list : {&caches, &alone}) {
      list->emplace_back(model().config(), CacheDType::kBf16, 16);
      run(ctx, model(), std::span(tokens).first(1 + i % (tokens.size() - 1)), list->back());
    }
  }
  for (size_t i = 0; i < kSequences; ++i) {
    steps.push_back({.token_ids = std::span(tokens).subspan(i % tokens.size(), 1),
                     .cache = &caches[i],
                     .logits = LogitRows::kLast,
                     .form = StepForm::kDecode});
  }
  Tensor<float> batched = new_logits(model(), kSequences);
  model().forward(ctx, steps, RunOptions{}, batched.v<2>());
  for (size_t i = 0; i < kSequences; ++i) {
    SequenceStep step = steps[i];
    step.cache = &alone[i];
    Tensor<float> want = new_logits(model(), 1);
    model().forward(ctx, {&step, 1}, RunOptions{}, want.v<2>());
    Tensor<float> got(want.dims());
    std::copy_n(batched.v<2>().row(static_cast<i64>(i)), got.size(), got.data());
    expect_bitwise_equal(got, want, fmt::format("sequence {}", i));
  }
}

TEST_P(PropertyTest, ThreadsDoNotChangeABit) {
  const int threads = num_threads();
  for_each_isa([&](Ctx& ctx) {
    for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
      const RunOptions options = with_form(form, RunOptions{});
      set_num_threads(1);
      const Tensor<float> one = run(ctx, model(), ids(), options, 0, CacheDType::kBf16);
      for (const int count : {2, 3}) {
        set_num_threads(count);
        expect_bitwise_equal(run(ctx, model(), ids(), options, 0, CacheDType::kBf16), one,
                             ctx.isa_name());
      }
    }
  });
  set_num_threads(threads);
}

TEST_P(PropertyTest, InstructionSetsAgree) {
  std::vector<Tensor<float>> all;
  for_each_isa([&](Ctx& ctx) { all.push_back(run(ctx, model(), ids())); });
  for (const Tensor<float>& logits : all) {
    EXPECT_LE(relative_error(logits, all.front()), kF32LogitTol);
  }
}

TEST_P(PropertyTest, Fp8CacheStaysNear) {
  for_each_isa([&](Ctx& ctx) {
    const double error = relative_error(run(ctx, model(), ids(), kExact, 0, CacheDType::kFp8),
                                        run(ctx, model(), ids()));
    RecordProperty(ctx.isa_name(), fmt::format("{:.2e}", error));
    EXPECT_LE(error, kFp8CacheLogitTol) << ctx.isa_name();
  });
}

TEST_P(PropertyTest, TruncateThenContinueIsFresh) {
  Ctx ctx = backend::make_context();
  const auto tokens = ids();
  const Tensor<float> whole = run(ctx, model(), tokens, with_form(MlaForm::kExpanded));
  KvCache cache(model().config(), CacheDType::kF32, std::ssize(tokens));
  std::vector<i32> other(tokens.rbegin(), tokens.rend());
  run(ctx, model(), std::span(tokens).first(5), cache, with_form(MlaForm::kExpanded));
  run(ctx, model(), std::span(other).first(6), cache, with_form(MlaForm::kExpanded));
  cache.truncate(5);
  EXPECT_EQ(cache.length(), 5);
  const Tensor<float> rest =
      run(ctx, model(), std::span(tokens).subspan(5), cache, with_form(MlaForm::kExpanded));
  Tensor<float> want(rest.dims());
  std::copy_n(whole.v<2>().row(5), want.size(), want.data());
  expect_bitwise_equal(rest, want);
}

// More positions than one key tile, so that queries see full tiles, their own tile and no later
// one.
TEST(KeyTiles, ChunksAcrossTileEdgesGiveTheSameBits) {
  const Golden golden("v3");
  const Model& model = golden.model();
  std::vector<i32> ids(600);
  for (size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<i32>((i * 37 + i / 7) % 64);
  Ctx ctx = backend::make_context();
  for (const MlaForm form : {MlaForm::kExpanded, MlaForm::kAbsorbed}) {
    const Tensor<float> whole = run(ctx, model, ids, with_form(form));
    for (const i64 chunk : {100, 255, 256, 257}) {
      expect_bitwise_equal(run(ctx, model, ids, with_form(form), chunk), whole);
    }
  }
  EXPECT_LE(relative_error(run(ctx, model, ids, with_form(MlaForm::kAbsorbed)),
                           run(ctx, model, ids, with_form(MlaForm::kExpanded))),
            kF32LogitTol);
}

TEST(Mtp, RunningItChangesNothingOfTheMainModel) {
  const Golden golden("mtp");
  const Model& model = golden.model();
  const auto ids = golden.ids("input_ids");
  Ctx ctx = backend::make_context();
  const Tensor<float> want = run(ctx, model, ids, kExact, 1);
  KvCache cache(model.config(), CacheDType::kF32, std::ssize(ids), /*mtp_layers=*/1);
  Tensor<float> logits = new_logits(model, 1), draft = new_logits(model, 1);
  Tensor<float> hidden({1, model.config().hidden_size});
  Tensor<float> got(want.dims());
  for (size_t t = 0; t < ids.size(); ++t) {
    const SequenceStep step{.token_ids = std::span(ids).subspan(t, 1), .cache = &cache};
    model.forward(ctx, {&step, 1}, kExact, logits.v<2>(), hidden.v<2>());
    const i32 next = argmax({logits.data(), static_cast<size_t>(logits.size())});
    const MtpStep drafts{
        .next_tokens = {&next, 1}, .positions_begin = static_cast<i64>(t), .cache = &cache};
    model.mtp_forward(ctx, {&drafts, 1}, kExact, hidden.v<2>(), draft.v<2>());
    std::copy_n(logits.data(), logits.size(), got.v<2>().row(static_cast<i64>(t)));
  }
  expect_bitwise_equal(got, want);
}

TEST(Mtp, OneLogitRowIsTheLast) {
  const Golden golden("mtp");
  const Model& model = golden.model();
  const auto ids = golden.ids("input_ids");
  Ctx ctx = backend::make_context();
  const auto hidden = testing::normal<float>({6, model.config().hidden_size});
  const std::span next(ids.data(), 6);
  KvCache cache(model.config(), CacheDType::kF32, 8, 1);
  Tensor<float> all = new_logits(model, 6), last = new_logits(model, 1), want = last;
  MtpStep step{.next_tokens = next, .cache = &cache};
  model.mtp_forward(ctx, {&step, 1}, kExact, hidden.cv<2>(), all.v<2>());
  step.logits = LogitRows::kLast;
  model.mtp_forward(ctx, {&step, 1}, kExact, hidden.cv<2>(), last.v<2>());
  std::copy_n(all.v<2>().row(5), want.size(), want.data());
  expect_bitwise_equal(last, want);
}

}  // namespace
}  // namespace fathom::model
