// Log-probabilities of a prompt, and how a text reaches its client piece by piece.
#include <gmock/gmock.h>

#include <cmath>

#include "engine/scorer.h"
#include "engine/test_predictable.h"
#include "testing/for_each_isa.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// What an engine says of a prompt's tokens and of the answer's.
struct Echo {
  std::vector<i32> ids;
  std::vector<double> log_probs;
  std::vector<double> answer;
  bool operator==(const Echo&) const = default;
};

Echo echo_of(Engine& engine, Stream& stream) {
  Echo echo;
  Events news;
  while (!stream.done()) {
    engine.step();
    stream.try_read(news);
    for (const Event& event : news.events) {
      if (event.kind == Event::Kind::kPromptToken) {
        EXPECT_TRUE(echo.answer.empty()) << "the prompt comes first";
        echo.ids.push_back(event.id);
        echo.log_probs.push_back(event.log_prob);
        EXPECT_EQ(event.num_top, 2);
        EXPECT_LE(event.log_prob, event.top[0].log_prob);
        const bool is_top = event.id == event.top[0].id;
        EXPECT_EQ(is_top, event.log_prob == event.top[0].log_prob)
            << "the same number, if the same";
      } else if (event.kind == Event::Kind::kToken) {
        echo.answer.push_back(event.log_prob);
      }
    }
  }
  return echo;
}

Echo echo_of(Engine& engine, const GenerateRequest& request) {
  return echo_of(engine, *value_or_throw(engine.submit(request)).stream);
}

// Check 41; all of one model, to the bit.
TEST(Echo, LogProbabilitiesOfAPromptAreThoseOfScoreHoweverItIsComputed) {
  const testing::ScopedThreads one(1);
  TestModel llama(tiny_llama(), 0.1);
  for (TestModel* const model : {&predictable_v3(), &llama}) {
    constexpr i64 kContext = 200;
    GenerateRequest asked;
    for (i64 i = 0; i < kContext - 2; ++i) {
      asked.prompt_ids.push_back(static_cast<i32>(Philox(3, 1).at(static_cast<u64>(i))[0] % 276));
    }
    asked.prompt_log_probs_from = 1;
    asked.top_log_probs = 2;
    asked.sampling.temperature = 0;
    asked.max_tokens = 3;
    const Score score = score_tokens(model->ctx, *model->model, asked.prompt_ids,
                                     {.engine = {.context_tokens = kContext}});
    std::optional<Echo> first;
    for (const i64 chunk : {1, 7, 512}) {
      for (const i64 drafts : {0, 3}) {
        EngineOptions options{.context_tokens = kContext,
                              .cache_tokens = 2048,
                              .draft_tokens = drafts,
                              .adaptive_drafts = false};
        options.limits.chunk_tokens = options.limits.min_chunk_tokens = chunk;
        const auto engine = model->engine(options);
        const Echo echo = echo_of(*engine, asked);
        ASSERT_EQ(echo.ids, std::vector<i32>(asked.prompt_ids.begin() + 1, asked.prompt_ids.end()));
        for (size_t i = 0; i < echo.log_probs.size(); ++i) {
          ASSERT_EQ(echo.log_probs[i], score.log_probs[i + 1]) << i << " chunk " << chunk;
        }
        ASSERT_EQ(echo.answer.size(), 3u);
        if (!first) first = echo;
        EXPECT_EQ(echo, *first);
        EXPECT_EQ(echo_of(*engine, asked), *first) << "its pages are in the cache";
        GenerateRequest part = asked;
        part.prompt_log_probs_from = 150;
        const Echo end = echo_of(*engine, part);
        EXPECT_EQ(end.log_probs,
                  std::vector<double>(first->log_probs.begin() + 149, first->log_probs.end()));
        part.max_tokens = 0;
        part.scored_next_id = 65;
        const Echo scored = echo_of(*engine, part);
        EXPECT_EQ(scored.ids.size(), end.ids.size() + 1);
        EXPECT_TRUE(scored.answer.empty());
      }
    }
  }
}

// Pages that others need are taken from it in the middle of its prompt.
TEST(Echo, APreemptedPromptIsEchoedOnceAndItsOwnPagesAreNoHit) {
  const testing::ScopedThreads one(1);
  TestModel& model = predictable_v3();
  EngineOptions options{.context_tokens = 640, .draft_tokens = 0};
  options.limits.chunk_tokens = options.limits.min_chunk_tokens = 32;
  options.limits.decode_share = 0.001;  // a chunk each step
  GenerateRequest asked;
  for (int i = 0; i < 500; ++i) asked.prompt_ids.push_back(30 + i * 7 % 90);
  asked.prompt_log_probs_from = 1;
  asked.top_log_probs = 2;
  asked.max_tokens = 3;
  asked.priority = 1;  // it is the one that has to give way
  i64 rows = 0;
  asked.on_prompt_logits = [&](const float*, i64 count) { rows += count; };
  for (const i64 from : {1, 60, -1}) {
    asked.prompt_log_probs_from = from;
    rows = 0;
    const Echo want = echo_of(*model.engine(options), asked);
    const i64 all_rows = from < 0 ? 0 : 501 - from;
    EXPECT_EQ(std::exchange(rows, 0), all_rows);
    const auto engine = model.engine(options);
    for (int i = 0; i < 2; ++i) {
      GenerateRequest other;
      other.prompt_ids = ids_of(model, std::string(105, static_cast<char>('a' + i)));
      other.max_tokens = 60;
      value_or_throw(engine->submit(other));
    }
    for (int step = 0; step < 20; ++step) engine->step();
    const auto stream = value_or_throw(engine->submit(asked)).stream;
    for (i64 step = 0; engine->counters().preemptions == 0; ++step) {
      ASSERT_LT(step, 100);
      engine->step();
    }
    EXPECT_GE(engine->counters().prompt_tokens, 2u * 105 + 96) << "some of it was computed";
    EXPECT_EQ(echo_of(*engine, *stream), want);
    EXPECT_GT(stream->stats().preemptions, 0);
    EXPECT_EQ(stream->stats().cached_tokens, 0);
    EXPECT_EQ(rows, all_rows);
  }
}

// Temperature, penalties, bias, masks and thoughts choose the token; its number is the model's.
TEST(Echo, LogProbabilitiesOfAnAnswerAreOfTheRawDistribution) {
  const testing::ScopedThreads one(1);
  TestModel& model = predictable_v3();
  GenerateRequest asked;
  asked.prompt_ids = ids_of(model, "raw numbers of");
  asked.max_tokens = 60;
  asked.top_log_probs = 1;
  asked.sampling = {.temperature = 1.5,
                    .repetition_penalty = 1.7,
                    .presence_penalty = 2.0,
                    .logit_bias = {{70, 30.0}, {71, -100.0}},
                    .seed = 4};
  asked.thinking = {.end_id = 70, .max_tokens = 3};
  asked.make_mask = [] { return std::make_unique<HashMask>(11, 1000); };
  const EngineOptions options{.context_tokens = 128, .adaptive_drafts = false};
  const Answer answer = run_one(*model.engine(options), asked).answers[0];
  ASSERT_EQ(answer.ids.size(), 60u);
  std::vector<i32> ids = asked.prompt_ids;
  ids.insert(ids.end(), answer.ids.begin(), answer.ids.end());
  const Score score = score_tokens(model.ctx, *model.model, ids, {.engine = options});
  for (size_t i = 0; i < answer.ids.size(); ++i) {
    const double want = score.log_probs[asked.prompt_ids.size() + i];
    EXPECT_NEAR(answer.log_probs[i], want, 1e-2 * (1 + std::abs(want))) << i;
  }
}

/// An answer that is this text, one byte a token.
GenerateRequest forced(const std::vector<i32>& ids) {
  GenerateRequest request;
  request.prompt_ids = ids_of(predictable_v3(), "say it");
  request.max_tokens = std::ssize(ids);
  request.make_mask = [&ids] { return std::make_unique<BeginsWith>(ids); };
  return request;
}

/// The text of each event.
std::vector<std::string> pieces_of(const GenerateRequest& request, FinishReason* reason) {
  const auto engine = predictable_v3().engine({.context_tokens = 128, .adaptive_drafts = false});
  const auto stream = value_or_throw(engine->submit(request)).stream;
  std::vector<std::string> pieces;
  Events news;
  while (!stream->done()) {
    engine->step();
    stream->try_read(news);
    size_t at = 0;
    for (const Event& event : news.events) {
      const auto bytes = static_cast<size_t>(event.text_bytes);
      pieces.push_back(news.text.substr(at, bytes));
      at += bytes;
      if (event.kind == Event::Kind::kFinish) *reason = event.reason;
    }
    EXPECT_EQ(at, news.text.size());
  }
  return pieces;
}

// Check 20.
TEST(Pieces, NeverEndInsideACharacter) {
  const testing::ScopedThreads one(1);
  const std::string text = "a\xF0\x9F\x98\x80\xC3\xA9\xE2\x82\xAC!\xF0\x9F\x91\x8D";
  const std::vector<i32> ids = ids_of(predictable_v3(), text);
  ASSERT_EQ(ids.size(), text.size());
  FinishReason reason{};
  std::string joined;
  for (const std::string& piece : pieces_of(forced(ids), &reason)) {
    EXPECT_EQ(tokenizer::valid_utf8_prefix_bytes(piece), piece.size()) << piece;
    EXPECT_THAT(piece, Not(HasSubstr("\xEF\xBF\xBD")));
    joined += piece;
  }
  EXPECT_EQ(joined, text);
  // An answer that ends inside one says so, once.
  const std::vector<i32> cut(ids.begin(), ids.begin() + 3);
  joined.clear();
  for (const std::string& piece : pieces_of(forced(cut), &reason)) joined += piece;
  EXPECT_EQ(joined, "a\xEF\xBF\xBD");
}

// Check 21.
TEST(Pieces, HoldNothingOfAStopText) {
  const testing::ScopedThreads one(1);
  const std::vector<i32> ids = ids_of(predictable_v3(), "xxabcyy");
  GenerateRequest asked = forced(ids);
  asked.stop = {"abc"};
  FinishReason reason{};
  std::string joined;
  for (const std::string& piece : pieces_of(asked, &reason)) {
    EXPECT_THAT(piece, Not(HasSubstr("a")));
    joined += piece;
  }
  EXPECT_EQ(joined, "xx");
  EXPECT_EQ(reason, FinishReason::kStop);
  // One that begins like it and is none comes whole.
  asked.stop = {"abd"};
  joined.clear();
  for (const std::string& piece : pieces_of(asked, &reason)) joined += piece;
  EXPECT_EQ(joined, "xxabcyy");
  EXPECT_EQ(reason, FinishReason::kLength);
}

/// The last event of the one choice.
Event end_of(const GenerateRequest& request) {
  const auto engine = predictable_v3().engine({.context_tokens = 128, .adaptive_drafts = false});
  const auto stream = value_or_throw(engine->submit(request)).stream;
  Event end;
  Events news;
  while (!stream->done()) {
    engine->step();
    stream->try_read(news);
    if (!news.events.empty()) end = news.events.back();
  }
  EXPECT_EQ(end.kind, Event::Kind::kFinish);
  return end;
}

// Check 37: who counts tokens needs the number of the one that ended the answer too.
TEST(Ends, TellWhichTokenOrTextItWas) {
  const testing::ScopedThreads one(1);
  const std::vector<i32> ids = ids_of(predictable_v3(), "xxabcyy");
  GenerateRequest asked = forced(ids);
  EXPECT_EQ(end_of(asked).id, -1);
  EXPECT_EQ(end_of(asked).stop_index, -1);
  asked.stop = {"", "zz", "bc", "abc"};
  EXPECT_EQ(end_of(asked).stop_index, 3) << "the longer one of those that end together";
  EXPECT_EQ(end_of(asked).id, -1);
  asked.stop.clear();
  asked.stop_token_ids = {ids[4]};
  asked.top_log_probs = 2;
  const Event end = end_of(asked);
  EXPECT_EQ(end.id, ids[4]);
  EXPECT_EQ(end.num_top, 2);
  EXPECT_LT(end.log_prob, 0.0);
  EXPECT_LE(end.log_prob, end.top[0].log_prob);
}

}  // namespace
}  // namespace fathom::engine
