// What stands in evaluation sets is no training data, in every stage behind pre-training.
#include "posttrain/decontamination.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>
#include <vector>

#include "posttrain/grpo/test_support.h"
#include "posttrain/sample/sample.h"

namespace fathom::posttrain {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class DecontaminationTest : public StageRunTest {
 protected:
  /// Of two training lines one has four words in a row of an item.
  RunConfig apart(RunConfig config, const char* answers) {
    config.data.apart_from = {
        dir_.write("evaluation.jsonl",
                   "{\"question\": \"How MANY ships sail, the Baltic?\", \"n\": 3}\n")
            .string()};
    config.data.apart_words = 4;
    const std::string kept = "{\"prompt\": \"many ships sail\", " + std::string(answers) + "}\n";
    const std::string left =
        "{\"prompt\": \"so many ships, sail\\nthe b\", " + std::string(answers) + "}\n";
    config.data.train.clear();
    config.data.train["mixed"].paths = {dir_.write("mixed.jsonl", kept + left).string()};
    config.data.seq_len = 64;
    return config;
  }
  std::string statistics(const RunConfig& config) { return load_stage(config).stage->statistics(); }
};

TEST_F(DecontaminationTest, LeavesTrainingLinesOut) {
  RunConfig sft = apart(golden_run(dir_ / "sft"), "\"completion\": \"b\"");
  sft.data.validation["held"] = sft.data.train["mixed"];
  const std::string said = statistics(sft);
  EXPECT_THAT(said, HasSubstr("left out: 1 lines with 4 words in a row of one of the 1 items"));
  EXPECT_THAT(said, HasSubstr("data.train.mixed: 2 lines, 1 samples"));
  EXPECT_THAT(said, HasSubstr("data.validation.held: 2 lines, 2 samples")) << "it is no training";
  RunConfig rl = apart(tiny_grpo(dir_, "rl"), "\"answer\": \"b\"");
  EXPECT_THAT(statistics(rl), HasSubstr("data.train.mixed: 1 prompts"));
  rl.data.apart_words = 5;
  EXPECT_THAT(statistics(rl), HasSubstr("left out: 0 lines"));
  rl.data.apart_from.clear();
  EXPECT_THAT(statistics(rl), Not(HasSubstr("left out")));
}

// Rejection sampling looks at what the model wrote, too: it may know an item by heart.
TEST_F(DecontaminationTest, LeavesAnswersOut) {
  RunConfig config = apart(golden_run(dir_ / "sample"), "\"answer\": \"b\"");
  config.run.stage = TrainStage::kSample;
  config.reward.answer = AnswerPlace::kWhole;
  config.reward.accuracy = 0.0;
  config.reward.random = 1.0;
  config.sample.per_prompt = 64;
  config.sample.keep = 64;
  config.sample.least_reward = 0.0;
  config.sample.max_new_tokens = 12;
  std::string said;
  const auto run = [&] {
    return sample(ctx_, config,
                  {.message = [&](log::Level, const std::string& text) { said += text; }});
  };
  const SampleResult result = run();
  EXPECT_EQ(result.all_prompts, 1);
  EXPECT_THAT(said, HasSubstr("left out: 1 lines"));
  ASSERT_GT(result.kept, 0);
  // One of its answers with a word in it becomes an item.
  const auto kept_answers = [&](const std::string& path) {
    std::vector<std::string> answers;
    std::istringstream lines(text(path));
    for (std::string line; std::getline(lines, line);) {
      const auto kept = value_or_throw(io::parse_json(line, "kept"));
      answers.push_back(kept.find("completion")->as_string());
    }
    return answers;
  };
  const auto has_word = [](const std::string& answer) {
    return std::ranges::any_of(answer, [](char c) { return c >= 'a' && c <= 'z'; });
  };
  const std::vector<std::string> before = kept_answers("sample/kept.jsonl");
  const auto known = std::ranges::find_if(before, has_word);
  ASSERT_NE(known, before.end());
  io::JsonObject item;
  item.set("text", *known);
  config.data.apart_from = {
      dir_.write("item.jsonl", io::write_json(std::move(item)) + "\n").string()};
  config.data.apart_words = 1;
  config.run.out = (dir_ / "again").string();
  run();
  EXPECT_EQ(std::ranges::count(kept_answers("again/kept.jsonl"), *known), 0);
}

TEST_F(DecontaminationTest, Refuses) {
  RunConfig config = apart(golden_run(dir_ / "bad"), "\"completion\": \"b\"");
  config.data.apart_from = {(dir_ / "nowhere").string()};
  EXPECT_THAT(refusal(config), HasSubstr("data.apart_from: " + (dir_ / "nowhere").string()));
  config.run.stage = TrainStage::kPretrain;
  config.data.train["mixed"].text_field = "prompt";
  try {
    train::train(ctx_, {.config = config, .measure_peak = false}, {});
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("data.apart_from: \"pretrain\" leaves nothing out"));
    EXPECT_FALSE(std::filesystem::exists(config.run.out)) << "refused before anything is written";
  }
}

}  // namespace
}  // namespace fathom::posttrain
