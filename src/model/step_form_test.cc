// Steps as an engine makes them: a form a sequence, pages that several hold, layers a few at a
// time.
#include <numeric>

#include "backend/backend.h"
#include "model/test_support.h"
#include "testing/for_each_isa.h"

namespace fathom::model {
namespace {

using ops::CacheDType;
using testing::expect_bitwise_equal;
using testing::for_each_isa;

constexpr i64 kTokens = 150;  // more than a page

class StepFormTest : public ::testing::TestWithParam<std::string> {
 protected:
  const Model& model() const { return golden_.model(); }
  i64 layers() const { return model().config().num_hidden_layers; }
  KvCache new_cache(i64 tokens = kTokens) const {
    return {model().config(), CacheDType::kBf16, tokens};
  }
  /// Appends ids in chunks of these lengths, over and over; logits of every token.
  Tensor<float> run_in(Ctx& ctx, KvCache& cache, std::span<const i32> ids, StepForm form,
                       std::vector<i64> chunks) const {
    Tensor<float> logits = new_logits(model(), std::ssize(ids));
    i64 begin = 0;
    for (size_t i = 0; begin < std::ssize(ids); ++i) {
      const i64 count = std::min(chunks[i % chunks.size()], std::ssize(ids) - begin);
      const SequenceStep step{
          .token_ids = ids.subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
          .cache = &cache,
          .logits = LogitRows::kAll,
          .form = form};
      model().forward(ctx, {&step, 1}, {}, logits.v<2>().slice(0, begin, count));
      begin += count;
    }
    return logits;
  }

  Golden golden_{GetParam()};
  std::vector<i32> ids_ = [this] {
    std::vector<i32> ids;
    const std::vector<i32> own = golden_.ids("input_ids");
    for (i64 i = 0; i < kTokens; ++i) ids.push_back(own[static_cast<size_t>(i * i) % own.size()]);
    return ids;
  }();
};

INSTANTIATE_TEST_SUITE_P(Cases, StepFormTest,
                         ::testing::Values("v3", "v2_lite", "fp8", "llama", "qwen3"),
                         [](const auto& c) { return c.param; });

// What lets a scheduler cut a prompt as time allows: also into chunks of one token.
TEST_P(StepFormTest, HowAPromptIsCutChangesNoBit) {
  for_each_isa([&](Ctx& ctx) {
    KvCache at_once = new_cache();
    const Tensor<float> want = run_in(ctx, at_once, ids_, StepForm::kPrefill, {kTokens});
    for (const std::vector<i64>& chunks :
         {std::vector<i64>{1}, {31}, {128}, {3, 97, 1, 40}, {149, 1}}) {
      KvCache cache = new_cache();
      expect_bitwise_equal(run_in(ctx, cache, ids_, StepForm::kPrefill, chunks), want,
                           fmt::format("{} from {}", ctx.isa_name(), chunks.front()));
    }
  });
}

// What lets streams go on while a long prompt is read: their steps run in the midst of its layers.
TEST_P(StepFormTest, StepsInThePausesOfALayerChangeNoBit) {
  for_each_isa([&](Ctx& ctx) {
    KvCache alone = new_cache(), beside = new_cache(), prompt = new_cache();
    const Tensor<float> want = run_in(ctx, alone, ids_, StepForm::kPrefill, {kTokens});
    const Tensor<float> want_beside = run_in(ctx, beside, ids_, StepForm::kDecode, {1});
    beside.truncate(0);
    Tensor<float> got_beside = new_logits(model(), kTokens);
    i64 done = 0;
    const std::function<void()> pause = [&] {
      const SequenceStep step{.token_ids = std::span(ids_).subspan(static_cast<size_t>(done), 1),
                              .cache = &beside,
                              .form = StepForm::kDecode};
      model().forward(ctx, {&step, 1}, {}, got_beside.v<2>().slice(0, done++, 1));
    };
    Tensor<float> logits = new_logits(model(), kTokens);
    const SequenceStep step{
        .token_ids = ids_, .cache = &prompt, .logits = LogitRows::kAll, .form = StepForm::kPrefill};
    model().forward(ctx, {&step, 1}, {.pause = &pause}, logits.v<2>());
    EXPECT_EQ(done, 2 * layers()) << "one tile of keys, and the feed-forward behind it";
    expect_bitwise_equal(logits, want, "the prompt");
    const auto numbers = static_cast<size_t>(done * model().config().vocab_size);
    EXPECT_TRUE(std::ranges::equal(std::span(got_beside.v<2>().data(), numbers),
                                   std::span(want_beside.v<2>().data(), numbers)))
        << "those beside it";
  });
}

// What makes drafts exact: k + 1 tokens at once are what they are one by one.
TEST_P(StepFormTest, DecodingSeveralTokensAtOnceChangesNoBit) {
  for_each_isa([&](Ctx& ctx) {
    KvCache one_by_one = new_cache();
    const Tensor<float> want = run_in(ctx, one_by_one, ids_, StepForm::kDecode, {1});
    for (const std::vector<i64>& chunks : {std::vector<i64>{2}, {5, 1, 3}, {40}}) {
      KvCache cache = new_cache();
      expect_bitwise_equal(run_in(ctx, cache, ids_, StepForm::kDecode, chunks), want,
                           fmt::format("{} from {}", ctx.isa_name(), chunks.front()));
    }
  });
}

TEST_P(StepFormTest, DecodingBesideOthersChangesNoBit) {
  for_each_isa([&](Ctx& ctx) {
    const std::vector<i64> prompts = {140, 1, 127, 128, 33}, news = {1, 4, 2, 1, 3};
    std::vector<KvCache> together;
    std::vector<SequenceStep> steps;
    for (size_t i = 0; i < prompts.size(); ++i) {
      together.push_back(new_cache());
      run_in(ctx, together[i], std::span(ids_).first(static_cast<size_t>(prompts[i])),
             StepForm::kPrefill, {kTokens});
    }
    for (size_t i = 0; i < prompts.size(); ++i) {
      steps.push_back({.token_ids = std::span(ids_).subspan(static_cast<size_t>(prompts[i]),
                                                            static_cast<size_t>(news[i])),
                       .cache = &together[i],
                       .logits = LogitRows::kAll,
                       .form = StepForm::kDecode});
    }
    Tensor<float> logits = new_logits(model(), std::accumulate(news.begin(), news.end(), i64{0}));
    model().forward(ctx, steps, {}, logits.v<2>());
    i64 row = 0;
    for (size_t i = 0; i < prompts.size(); row += news[i++]) {
      KvCache cache = new_cache();
      run_in(ctx, cache, std::span(ids_).first(static_cast<size_t>(prompts[i])), StepForm::kPrefill,
             {kTokens});
      const Tensor<float> alone =
          run_in(ctx, cache, steps[i].token_ids, StepForm::kDecode, {news[i]});
      Tensor<float> got = new_logits(model(), news[i]);
      std::copy_n(logits.v<2>().row(row), got.size(), got.data());
      expect_bitwise_equal(got, alone, fmt::format("{} sequence {}", ctx.isa_name(), i));
    }
  });
}

// Two prompts in one chunk, its layers in three calls, with a decode of a third sequence between.
TEST_P(StepFormTest, LayersAFewAtATimeChangeNoBit) {
  for_each_isa([&](Ctx& ctx) {
    const auto first = std::span(ids_).first(100), second = std::span(ids_).subspan(20, 7);
    const auto steps_of = [&](KvCache& a, KvCache& b) {
      return std::vector<SequenceStep>{
          {.token_ids = first, .cache = &a, .form = StepForm::kPrefill},
          {.token_ids = second,
           .cache = &b,
           .logits = LogitRows::kNone,
           .form = StepForm::kPrefill}};
    };
    const i64 tokens = std::ssize(first) + std::ssize(second), width = model().config().hidden_size;
    KvCache a = new_cache(), b = new_cache(), c = new_cache(), d = new_cache(), other = new_cache();
    Tensor<float> want = new_logits(model(), 1), got = want;
    Tensor<float> hidden({tokens, width}), got_hidden({tokens, width}), x({tokens, width});
    model().forward(ctx, steps_of(a, b), {}, want.v<2>(), hidden.v<2>());

    const auto steps = steps_of(c, d);
    model().embed(ctx, steps, x.v<2>());
    for (i64 layer = 0; layer < layers(); ++layer) {
      model().run_layers(ctx, steps, {}, layer, layer + 1, x.v<2>());
      run_in(ctx, other, second, StepForm::kDecode, {7});
      EXPECT_EQ(c.length(), 0);
    }
    model().finish(ctx, steps, {}, x.v<2>(), got.v<2>(), got_hidden.v<2>());
    expect_bitwise_equal(got, want, ctx.isa_name());
    expect_bitwise_equal(got_hidden, hidden, ctx.isa_name());
    EXPECT_EQ(c.length(), 100);
    EXPECT_EQ(d.length(), 7);
  });
}

// A second sequence that begins as the first one did reads the first one's page.
TEST_P(StepFormTest, APrefixMayBeShared) {
  const device::PageShape shape =
      KvCache::page_shape(model().config(), CacheDType::kBf16, /*mtp_layers=*/0);
  for_each_isa([&](Ctx& ctx) {
    std::vector<std::vector<u8>> pages(3, std::vector<u8>(static_cast<size_t>(shape.page_bytes())));
    KvCache first = KvCache::of_lent_pages(model().config(), CacheDType::kBf16, kTokens);
    EXPECT_EQ(first.capacity_tokens(), 0);
    first.lend_page(pages[0].data());
    EXPECT_EQ(first.capacity_tokens(), device::kPageTokens);
    first.lend_page(pages[1].data());
    EXPECT_EQ(first.capacity_tokens(), kTokens);
    const Tensor<float> want = run_in(ctx, first, ids_, StepForm::kPrefill, {kTokens});

    KvCache second = KvCache::of_lent_pages(model().config(), CacheDType::kBf16, kTokens);
    second.lend_page(pages[0].data());
    second.lend_page(pages[2].data());
    second.adopt(device::kPageTokens);
    const Tensor<float> got =
        run_in(ctx, second, std::span(ids_).subspan(device::kPageTokens), StepForm::kPrefill, {5});
    Tensor<float> last(got.dims());
    std::copy_n(want.v<2>().row(device::kPageTokens), last.size(), last.data());
    expect_bitwise_equal(got, last, ctx.isa_name());
    second.return_pages();
    EXPECT_EQ(second.length(), 0);
    EXPECT_EQ(second.capacity_tokens(), 0);
  });
}

TEST_P(StepFormTest, PagesBeyondTheCapacityAreRefused) {
  std::vector<u8> page(1);
  KvCache lent = KvCache::of_lent_pages(model().config(), CacheDType::kBf16, 128);
  lent.lend_page(page.data());
  EXPECT_THROW(lent.lend_page(page.data()), InternalError);
  KvCache own = new_cache();
  EXPECT_THROW(own.lend_page(page.data()), InternalError);
  EXPECT_THROW(own.adopt(kTokens + 1), InternalError);
}

TEST_P(StepFormTest, FormsDoNotMix) {
  Ctx ctx = backend::make_context();
  KvCache a = new_cache(), b = new_cache();
  const std::vector<SequenceStep> steps = {
      {.token_ids = std::span(ids_).first(2), .cache = &a, .form = StepForm::kPrefill},
      {.token_ids = std::span(ids_).first(2), .cache = &b, .form = StepForm::kDecode}};
  Tensor<float> x({4, model().config().hidden_size});
  EXPECT_THROW(model().run_layers(ctx, steps, {}, 0, 1, x.v<2>()), InternalError);
  EXPECT_THROW(model().run_layers(ctx, std::span(steps).first(1), {}, 0, layers() + 1, x.v<2>()),
               InternalError);
}

}  // namespace
}  // namespace fathom::model
