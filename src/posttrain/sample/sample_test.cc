#include "posttrain/sample/sample.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "backend/backend.h"
#include "io/json.h"
#include "posttrain/load_stage.h"
#include "posttrain/sft/test_support.h"

namespace fathom::posttrain {
namespace {

using ::testing::HasSubstr;

class SampleTest : public ::testing::Test {
 protected:
  RunConfig config(const std::string& out) const {
    RunConfig config = golden_run(dir_ / out);
    config.run.stage = TrainStage::kSample;
    config.data.seq_len = 48;
    config.data.train.clear();
    config.data.train["letters"].paths = {
        dir_.write("prompts.jsonl",
                   "{\"prompt\": \"a\", \"answer\": \"x\"}\n"
                   "{\"prompt\": \"bc\", \"answer\": \"y\"}\n"
                   "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}], \"answer\": \"z\"}\n")
            .string()};
    config.sample.per_prompt = 6;
    config.sample.max_new_tokens = 5;
    config.sample.keep = 2;
    config.sample.least_reward = 0.0;
    config.reward.answer = AnswerPlace::kWhole;
    return config;
  }
  std::string text(const std::string& path) const {
    std::ifstream file(dir_ / path, std::ios::binary);
    std::ostringstream all;
    all << file.rdbuf();
    return all.str();
  }
  std::vector<io::JsonValue> lines(const std::string& path) const {
    std::vector<io::JsonValue> values;
    std::istringstream all(text(path));
    for (std::string line; std::getline(all, line);) {
      values.push_back(value_or_throw(io::parse_json(line, path)));
    }
    return values;
  }

  testing::TempDir dir_;
  Ctx ctx_ = backend::make_context();
};

TEST_F(SampleTest, KeepsWhatEarnsEnoughAsSftReadsIt) {
  // An untrained model seldom ends within five tokens: what it does not end is not kept.
  RunConfig run = config("out");
  run.sample.per_prompt = 600;
  run.sample.max_new_tokens = 8;
  const SampleResult result = sample(ctx_, run);
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(result.samples, 1800);
  const auto kept = lines("out/kept.jsonl");
  ASSERT_EQ(std::ssize(kept), result.kept);
  ASSERT_GT(result.kept, 0);
  EXPECT_LE(result.kept, 6) << "two a prompt";
  i64 ended = 0;
  for (const io::JsonValue& line : lines("out/samples.jsonl")) {
    ended += line.find("truncated")->as_bool() ? 0 : 1;
  }
  EXPECT_GE(ended, result.kept);
  for (const io::JsonValue& line : kept) {
    EXPECT_EQ(line.find("model")->as_string(), sft_golden().string());
    EXPECT_EQ(line.find("prompt_number")->as_integer() == 2, line.find("messages") != nullptr);
  }
  RunConfig next = golden_run(dir_ / "sft");
  next.data.train["chat"].paths = {(dir_ / "out/kept.jsonl").string()};
  EXPECT_THAT(load_stage(next).stage->statistics(),
              HasSubstr(fmt::format("{} lines, {} samples", result.kept, result.kept)));
  // A reward that nothing earns keeps nothing.
  run = config("none");
  run.sample.least_reward = 1.0;
  EXPECT_EQ(sample(ctx_, run).kept, 0);
}

// What a model knows by heart is not learnt again, and it is said how much that was.
TEST_F(SampleTest, AnswersOfAnEvaluationSetAreLeftOutAndCounted) {
  RunConfig run = config("out");
  run.sample.per_prompt = 600;
  run.sample.max_new_tokens = 8;
  run.sample.keep = 600;
  run.data.apart_words = 1;
  ASSERT_GT(sample(ctx_, run).kept, 0);
  std::string items;
  for (const io::JsonValue& line : lines("out/samples.jsonl")) {
    io::JsonObject item;
    item.set("text", line.find("text")->as_string());
    items += io::write_json(std::move(item)) + "\n";
  }
  run.data.apart_from = {dir_.write("items.jsonl", items).string()};
  run.data.train["letters"].paths = {
      dir_.write("other.jsonl", "{\"prompt\": \"?\", \"answer\": \"qqqqqqqq\"}\n").string()};
  run.run.out = (dir_ / "apart").string();
  std::string messages;
  sample(ctx_, run,
         {.message = [&](log::Level, const std::string& text) { messages += text + "\n"; },
          .stop_requested = {},
          .progress = {}});
  EXPECT_THAT(messages, ::testing::ContainsRegex("left out: [1-9][0-9]* answers with 1 words"));
}

TEST_F(SampleTest, GoesOnBehindTheLastWholeGroup) {
  sample(ctx_, config("whole"));
  RunConfig cut = config("cut");
  cut.sample.parallel = 3;  // a prompt at a time
  i64 asked = 0;
  EXPECT_FALSE(
      sample(ctx_, cut,
             {.message = {}, .stop_requested = [&] { return ++asked == 3; }, .progress = {}})
          .finished);
  // As if killed in the middle of the second group.
  std::string half = text("cut/samples.jsonl");
  half.resize(half.size() - 40);
  std::ofstream(dir_ / "cut/samples.jsonl", std::ios::binary) << half;
  std::string message;
  const SampleResult result =
      sample(ctx_, cut,
             {.message = [&](log::Level, const std::string& text) { message = text; },
              .stop_requested = {},
              .progress = {}});
  EXPECT_EQ(message, "going on behind 1 prompts");
  EXPECT_TRUE(result.finished);
  EXPECT_EQ(text("cut/samples.jsonl"), text("whole/samples.jsonl"));
  EXPECT_EQ(text("cut/kept.jsonl"), text("whole/kept.jsonl"));
}

TEST(Degenerate, TheSameTokensOverAndOver) {
  std::vector<i32> text;
  for (i32 i = 0; i < 100; ++i) text.push_back(i * i % 37);
  EXPECT_FALSE(is_degenerate(text));
  for (const i32 period : {1, 3, 16}) {
    std::vector<i32> bad(text.begin(), text.begin() + 20);
    const i32 times = period == 1 ? 32 : period == 3 ? 11 : 8;
    for (i32 i = 0; i < times * period; ++i) bad.push_back(100 + i % period);
    EXPECT_TRUE(is_degenerate(bad)) << period;
    bad.resize(bad.size() - 2);
    EXPECT_FALSE(is_degenerate(bad)) << period;
  }
  EXPECT_FALSE(is_degenerate({}));
}

}  // namespace
}  // namespace fathom::posttrain
