// Requests one by one, scoring and prompts on a small random model with real files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <numeric>

#include "checkpoint/random_init.h"
#include "engine/client.h"
#include "engine/scorer.h"
#include "engine/test_models.h"
#include "model/attention/kv_cache.h"
#include "ops/elementwise/elementwise.h"

namespace fathom::engine {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Lt;

/// One model directory for all tests of the file; F32, so that sums can be compared.
class EngineTest : public ::testing::Test {
 protected:
  static TestModel& model() {
    static TestModel model([](Ctx& ctx, const std::string& path) {
      ModelConfig config = tiny_v3(/*mtp=*/0);
      config.max_position_embeddings = 128;
      checkpoint::write_random_checkpoint(ctx, config, path,
                                          {.dtype = DType::kF32, .weight_std = 0.2, .seed = 5});
    });
    return model;
  }
  static EngineOptions options(i64 context_tokens = 64) {
    return {.context_tokens = context_tokens,
            .cache_dtype = ops::CacheDType::kF32,
            .run = {.activations = ops::Activations::kF32}};
  }
  static std::unique_ptr<Engine> new_engine(i64 context_tokens = 64) {
    return model().engine(options(context_tokens));
  }
  static GenerateRequest greedy(const std::string& prompt, i64 max_tokens) {
    GenerateRequest request;
    request.prompt_ids = encode_prompt(*model().codec, prompt, tokenizer::TextKind::kPlain);
    request.sampling.temperature = 0.0;
    request.max_tokens = max_tokens;
    return request;
  }
  /// Logits of every token by one plain forward pass.
  static std::vector<float> logits_of(const std::vector<i32>& ids) {
    const auto count = static_cast<i64>(ids.size());
    model::KvCache cache(model().model->config(), ops::CacheDType::kF32, count);
    std::vector<float> logits(static_cast<size_t>(count * kVocabSize));
    const model::SequenceStep step{.token_ids = ids,
                                   .cache = &cache,
                                   .logits = model::LogitRows::kAll,
                                   .form = model::StepForm::kPrefill};
    model().model->forward(model().ctx, {&step, 1}, options().run,
                           {logits.data(), {count, kVocabSize}});
    return logits;
  }
};

TEST_F(EngineTest, GreedyTextIsTheArgmaxOfTheLogitsAmongIdsWithATokenOnly) {
  const auto one = new_engine();
  const GenerateRequest request = greedy("abc", 12);
  const GenerateResult result = generate(*one, request, {});
  ASSERT_EQ(result.token_ids.size(), 12u);
  EXPECT_THAT(result.token_ids, Each(Lt(276)));
  std::vector<i32> ids = request.prompt_ids;
  for (const i32 id : result.token_ids) {
    const std::vector<float> logits = logits_of(ids);
    const auto last = logits.end() - kVocabSize;
    EXPECT_EQ(id, std::max_element(last, last + 276) - last);
    ids.push_back(id);
  }
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(one->counters().decode_passes, 11u) << "the last token needs no step of its own";
}

TEST_F(EngineTest, AReusedPrefixChangesNothing) {
  const auto fresh = new_engine(), used = new_engine();
  generate(*used, greedy("hello there", 8), {});
  const GenerateResult again = generate(*used, greedy("hello world", 8), {});
  EXPECT_EQ(again.stats.cached_tokens, 7) << "BOS and \"hello \"";
  EXPECT_EQ(again.token_ids, generate(*fresh, greedy("hello world", 8), {}).token_ids);
  const GenerateResult same = generate(*used, greedy("hello world", 8), {});
  EXPECT_EQ(same.stats.cached_tokens, 11) << "all but the last, whose logits are needed";
  EXPECT_EQ(same.token_ids, again.token_ids);
}

TEST_F(EngineTest, PrefillChunksChangeNothing) {
  EngineOptions chunked = options();
  chunked.limits.chunk_tokens = chunked.limits.min_chunk_tokens = 3;
  const auto by_three = model().engine(chunked);
  const auto at_once = new_engine();
  const GenerateRequest request = greedy("a prompt of some length", 8);
  EXPECT_EQ(generate(*by_three, request, {}).token_ids, generate(*at_once, request, {}).token_ids);
}

TEST_F(EngineTest, StreamedPiecesAreTheText) {
  const auto one = new_engine();
  GenerateRequest request = greedy("xyz", 40);
  request.sampling = {.temperature = 1.5, .seed = 9};
  std::string streamed;
  const GenerateResult result =
      generate(*one, request, [&](std::string_view piece) { streamed += piece; });
  EXPECT_EQ(streamed, result.text);
  EXPECT_EQ(result.text,
            model().codec->tokenizer.decode(result.token_ids, tokenizer::SpecialTokens::kSkip));
  const auto other = new_engine();
  EXPECT_EQ(generate(*other, request, {}).token_ids, result.token_ids) << "a seed repeats";
}

TEST_F(EngineTest, StopTokensAndStopTextsEndTheAnswerAndAreNoPartOfIt) {
  const auto one = new_engine();
  const std::vector<i32> ids = generate(*one, greedy("abc", 12), {}).token_ids;
  GenerateRequest request = greedy("abc", 12);
  request.stop_token_ids = {ids[5]};
  const auto first = std::find(ids.begin(), ids.end(), ids[5]) - ids.begin();
  const GenerateResult by_id = generate(*one, request, {});
  EXPECT_EQ(by_id.finish_reason, FinishReason::kStop);
  EXPECT_EQ(static_cast<i64>(by_id.token_ids.size()), first);

  GenerateRequest sampled = greedy("abc", 60);
  sampled.sampling = {.temperature = 2.0, .seed = 3};
  const std::string text = generate(*one, sampled, {}).text;
  ASSERT_GT(text.size(), 8u);
  const std::string stop = text.substr(4, 2);
  sampled.stop = {stop};
  const GenerateResult by_text = generate(*one, sampled, {});
  EXPECT_EQ(by_text.finish_reason, FinishReason::kStop);
  EXPECT_EQ(by_text.text, text.substr(0, text.find(stop)));
}

TEST_F(EngineTest, AFullContextEndsTheAnswer) {
  const auto one = new_engine(/*context_tokens=*/10);
  const GenerateResult result = generate(*one, greedy("abc", 100), {});  // 4 tokens with BOS
  EXPECT_EQ(result.finish_reason, FinishReason::kLength);
  EXPECT_EQ(result.token_ids.size(), 7u) << "six more fit the cache, their successor is free";
}

TEST_F(EngineTest, AnInterruptEndsTheAnswerAndTheEngineGoesOn) {
  const auto one = new_engine();
  std::atomic<bool> interrupted = false;
  const GenerateResult cut = generate(
      *one, greedy("abc", 30), [&](std::string_view) { interrupted = true; }, &interrupted);
  EXPECT_EQ(cut.finish_reason, FinishReason::kInterrupted);
  EXPECT_LT(cut.token_ids.size(), 30u);
  const GenerateResult before = generate(*one, greedy("abc", 30), {}, &interrupted);
  EXPECT_EQ(before.finish_reason, FinishReason::kInterrupted);
  interrupted = false;
  const auto fresh = new_engine();
  EXPECT_EQ(generate(*one, greedy("abc", 30), {}, &interrupted).token_ids,
            generate(*fresh, greedy("abc", 30), {}).token_ids);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.message();
  }
  return "no error";
}

TEST_F(EngineTest, WrongRequestsAreRefusedWithTheNumbers) {
  const auto one = new_engine(/*context_tokens=*/4);
  EXPECT_THAT(message_of([&] { generate(*one, {}); }), HasSubstr("the prompt holds no tokens"));
  EXPECT_THAT(message_of([&] { generate(*one, greedy("too long", 1), {}); }),
              HasSubstr("the prompt has 9 tokens, the context holds 4"));
  EXPECT_THAT(message_of([&] { new_engine(/*context_tokens=*/4096); }),
              HasSubstr("4096 tokens was asked for; this model takes 1 to 128"));
}

TEST_F(EngineTest, ScoresAreLogSoftmaxOfTheLogits) {
  const std::vector<i32> ids = {0, 70, 80, 90, 100, 70};
  std::vector<float> dumped;
  const Score score = score_tokens(
      model().ctx, *model().model, ids, {.engine = options()}, [&](View<const float, 2> logits) {
        dumped.insert(dumped.end(), logits.data(), logits.data() + logits.size());
      });
  const std::vector<float> logits = logits_of(ids);
  EXPECT_EQ(dumped, logits);
  EXPECT_TRUE(std::isnan(score.log_probs[0]));
  double total = 0.0;
  for (size_t i = 1; i < ids.size(); ++i) {
    double sum = 0.0;
    const float* row = logits.data() + (i - 1) * kVocabSize;
    for (i64 v = 0; v < kVocabSize; ++v) sum += std::exp(static_cast<double>(row[v]));
    const double want = static_cast<double>(row[ids[i]]) - std::log(sum);
    EXPECT_NEAR(score.log_probs[i], want, 1e-5) << i;
    total += want;
  }
  EXPECT_NEAR(score.total_log_prob, total, 1e-4);
}

TEST_F(EngineTest, WindowsScoreEachTokenOnceWithTheHistoryTheyHave) {
  std::vector<i32> ids(23);
  std::iota(ids.begin(), ids.end(), 40);
  const Score windows = score_tokens(model().ctx, *model().model, ids,
                                     {.engine = options(/*context_tokens=*/8), .stride_tokens = 3});
  EXPECT_EQ(windows.windows, 6);  // 0-8, 3-11, ..., 15-23
  for (size_t i = 1; i < ids.size(); ++i) {
    // The first window whose last row reaches token i: begins at the multiple of 3 that holds it.
    const size_t begin = i <= 8 ? 0 : (i - 8 + 2) / 3 * 3;
    const std::vector<i32> history(ids.begin() + static_cast<i64>(begin),
                                   ids.begin() + static_cast<i64>(i) + 1);
    const Score alone = score_tokens(model().ctx, *model().model, history, {.engine = options()});
    EXPECT_NEAR(windows.log_probs[i], alone.log_probs.back(), 1e-5) << i;
  }
  EXPECT_THAT(message_of([&] {
                score_tokens(model().ctx, *model().model, ids,
                             {.engine = options(8), .stride_tokens = 8});
              }),
              HasSubstr("stride is 8, expected 1 to 7"));
}

TEST_F(EngineTest, AScorerTakesTextAfterText) {
  std::vector<i32> longest(23);
  std::iota(longest.begin(), longest.end(), 40);
  const std::vector<std::vector<i32>> texts = {{0, 70, 80}, longest, {5}, {0, 70, 90, 100}};
  Scorer scorer(model().ctx, *model().model, {.engine = options(/*context_tokens=*/8)});
  for (const std::vector<i32>& ids : texts) {
    const Score alone = score_tokens(model().ctx, *model().model, ids, {.engine = options(8)});
    const Score score = scorer.score(ids);
    ASSERT_EQ(score.log_probs.size(), ids.size());
    for (size_t i = 1; i < ids.size(); ++i) EXPECT_EQ(score.log_probs[i], alone.log_probs[i]) << i;
    EXPECT_EQ(score.windows, alone.windows);
  }
  EXPECT_THAT(message_of([&] { scorer.score({}); }), HasSubstr("nothing to score"));
  EXPECT_THAT(message_of([&] { scorer.score(longest, [](View<const float, 2>) {}); }),
              HasSubstr("23 tokens do not fit the context of 8"));
}

TEST_F(EngineTest, PromptsBeginWithOneBos) {
  const std::vector<i32> ids = encode_prompt(*model().codec, "ab", tokenizer::TextKind::kMarkup);
  ASSERT_EQ(ids.size(), 3u);
  EXPECT_EQ(ids[0], 0);
  EXPECT_EQ(
      encode_prompt(*model().codec, "<｜begin▁of▁sentence｜>ab", tokenizer::TextKind::kMarkup),
      ids);
  EXPECT_GT(
      encode_prompt(*model().codec, "<｜begin▁of▁sentence｜>", tokenizer::TextKind::kPlain).size(),
      2u);
}

TEST_F(EngineTest, TheConfigMaySayThatNoBosIsAdded) {
  const testing::TempDir dir;
  tokenizer::byte_tokenizer().save(dir.path().string());
  for (const bool add : {true, false}) {
    dir.write("tokenizer_config.json",
              std::string("{\"bos_token\": \"<｜begin▁of▁sentence｜>\", \"add_bos_token\": ") +
                  (add ? "true}" : "false}"));
    const TextCodec codec = value_or_throw(load_text_codec(dir.path().string()));
    EXPECT_EQ(codec.prefix_ids, add ? std::vector<i32>{0} : std::vector<i32>{});
  }
}

TEST_F(EngineTest, StopTokensComeFromEveryConfig) {
  ModelConfig config = model().model->config();
  config.eos_token_id = {7};
  EXPECT_EQ(stop_token_ids(*model().codec, config, {9, 7}), (std::vector<i32>{1, 7, 9}));
}

}  // namespace
}  // namespace fathom::engine
