// Rewards by rule, and what must earn nothing: every trick is an answer that a policy has been seen
// to find.
#include "posttrain/reward/reward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "posttrain/reward/answer_text.h"

namespace fathom::posttrain {
namespace {

using ::testing::HasSubstr;

RewardConfig config(AnswerPlace place) {
  RewardConfig config;
  config.answer = place;
  return config;
}

Reward earned(const RewardConfig& config, std::string_view text, std::string answer = "42",
              bool opens_thought = false) {
  const Rewarder rewarder(config, 64);
  return rewarder.reward({.answer = std::move(answer), .tests = "", .opens_thought = opens_thought},
                         {.text = text, .tokens = 10, .truncated = false, .draw = 0});
}
double accuracy(AnswerPlace place, std::string_view text, std::string answer = "42",
                bool opens_thought = false) {
  return earned(config(place), text, std::move(answer), opens_thought).accuracy;
}

TEST(RewardText, ResultsWhereTheyStand) {
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "<think>hm\n</think>So \\boxed{42}."), 1.0);
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "\\boxed{41}, no, \\boxed{42}"), 1.0) << "the last";
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "\\boxed{\\frac{84}{2}}"), 1.0) << "equal in mathematics";
  EXPECT_EQ(accuracy(AnswerPlace::kTag, "<think>a</think>\n<answer>\n42\n</answer>"), 1.0);
  EXPECT_EQ(accuracy(AnswerPlace::kWhole, " 42\n"), 1.0);
  EXPECT_EQ(accuracy(AnswerPlace::kWhole, "042"), 0.0) << "exact";
  RewardConfig mark = config(AnswerPlace::kBehindMark);
  mark.mark = "=";
  EXPECT_EQ(earned(mark, "1+1=2=42").accuracy, 1.0);
  EXPECT_EQ(earned(mark, "42").accuracy, 0.0);
}

TEST(RewardHacking, TricksEarnNothing) {
  const std::string long_text(1'000'000, '4');
  for (const char* text :
       {"", "What is 6 * 7?",                               // nothing, an echo of the prompt
        "42",                                               // no box
        "\\boxed{40} \\boxed{41} \\boxed{42} \\boxed{43}",  // every option: the last one counts
        "\\boxed{40, 41, 42, 43}", "\\boxed{42} \\boxed{}",
        "<think>\\boxed{42}</think>",  // inside the thought alone
        "<think>\\boxed{42}",          // a thought that does not end
        "\\boxed{42", "\\boxed{4 2 or 43}"}) {
    EXPECT_EQ(accuracy(AnswerPlace::kBoxed, text), 0.0) << text;
  }
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "\\boxed{" + long_text + "}"), 0.0);
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, long_text), 0.0);
  EXPECT_EQ(accuracy(AnswerPlace::kWhole, long_text), 0.0);
  // A thought that the prompt opened and the answer never closed.
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "so \\boxed{42}", "42", true), 0.0);
  EXPECT_EQ(accuracy(AnswerPlace::kBoxed, "so</think>\\boxed{42}", "42", true), 1.0);
}

TEST(RewardText, FormOfR1Zero) {
  const auto well = [](std::string_view text) { return is_well_formed(text, false); };
  EXPECT_TRUE(well("<think>a\nb</think>\n <answer>c\nd</answer>\n"));
  EXPECT_FALSE(well("<think></think><answer>c</answer>"));
  EXPECT_FALSE(well("<think>a</think><answer> \n</answer>"));
  EXPECT_FALSE(well("<think>a</think>c<answer>c</answer>"));
  EXPECT_FALSE(well("x<think>a</think><answer>c</answer>"));
  EXPECT_FALSE(well("<think>a</think><answer>c</answer>x"));
  EXPECT_FALSE(well("<think>a</think><think>b</think><answer>c</answer>"));
  EXPECT_FALSE(well("<think>a</think><answer>c</answer><answer>d</answer>"));
  EXPECT_FALSE(well("<answer>c</answer><think>a</think>"));
  EXPECT_FALSE(well("<think>a<answer>c</answer></think>"));
  EXPECT_FALSE(well(""));
  EXPECT_TRUE(is_well_formed("a</think><answer>c</answer>", true));
  EXPECT_FALSE(is_well_formed("<think>a</think><answer>c</answer>", true));
}

TEST(RewardText, ShareOfALanguage) {
  EXPECT_EQ(language_share("two words", "en"), 1.0);
  EXPECT_DOUBLE_EQ(language_share("two 中文", "en"), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(language_share("two 中文", "zh"), 2.0 / 3.0);
  EXPECT_EQ(language_share("答案是 $x + y$ `let code` ```python\nmore code```", "zh"), 1.0);
  EXPECT_EQ(language_share("слово word", "en"), 0.5);
  EXPECT_EQ(language_share("123 + 4", "en"), 0.0) << "nothing was said";
}

TEST(Reward, PartsAreApartAndJoinAsAsked) {
  RewardConfig both = config(AnswerPlace::kTag);
  both.format = 1.0;
  const char* const formed_wrong = "<think>a</think><answer>41</answer>";
  const char* const right_unformed = "<answer>42</answer>";
  EXPECT_EQ(earned(both, formed_wrong).total, 1.0);
  EXPECT_FALSE(earned(both, formed_wrong).is_right);
  EXPECT_EQ(earned(both, right_unformed).total, 1.0);
  EXPECT_EQ(earned(both, "<think>a</think><answer>42</answer>").total, 2.0);
  both.join = RewardJoin::kProduct;
  EXPECT_EQ(earned(both, formed_wrong).total, 0.0);
  EXPECT_EQ(earned(both, right_unformed).total, 0.0);
  EXPECT_EQ(earned(both, "<think>a</think><answer>42</answer>").total, 1.0);
}

TEST(Reward, TruncatedAndRandom) {
  RewardConfig c = config(AnswerPlace::kWhole);
  c.accuracy = 0.0;
  c.random = 1.0;
  const Rewarder rewarder(c, 64);
  const RewardKey key{.answer = "42", .tests = "", .opens_thought = false};
  for (const u64 draw : {u64{2}, u64{3}}) {
    const Reward reward = rewarder.reward(key, {"42", 2, false, draw});
    EXPECT_EQ(reward.total, draw == 3 ? 1.0 : 0.0);
    EXPECT_TRUE(reward.is_right) << "pass rates are measured whatever is rewarded";
  }
  EXPECT_EQ(rewarder.reward(key, {"42", 64, true, 3}).total, 0.0);
}

TEST(Reward, AnswersThatNothingCanBeHeldAgainstAreRefused) {
  const Rewarder rewarder(config(AnswerPlace::kBoxed), 64);
  const auto refusal = [&](std::string answer) {
    const auto checked = rewarder.check({.answer = std::move(answer), .tests = ""});
    return checked ? std::string("accepted") : checked.error().message();
  };
  EXPECT_EQ(refusal("42"), "accepted");
  EXPECT_EQ(refusal("\\frac{1}{2}"), "accepted");
  EXPECT_THAT(refusal(""), HasSubstr("missing or empty"));
  EXPECT_THAT(refusal(" \n"), HasSubstr("missing or empty"));
  EXPECT_THAT(refusal("so \\boxed{42}"), HasSubstr("is no result"));
  EXPECT_THAT(refusal(std::string(2000, '1')), HasSubstr("2000 bytes"));
}

TEST(RewardHacking, ProgramsThatOnlyPretend) {
  if (!eval::Sandbox::build()) GTEST_SKIP() << "no sandbox can be built here";
  RewardConfig c = config(AnswerPlace::kWhole);
  c.accuracy = 0.0;
  c.code = 1.0;
  const Rewarder rewarder(c, 64);
  const RewardKey key{.answer = "", .tests = "assert f(2) == 4\nassert f(3) == 9\n"};
  const auto code = [&](const std::string& program) {
    const std::string text = "```python\n" + program + "\n```";
    return rewarder.reward(key, {text, 10, false, 0}).code;
  };
  EXPECT_EQ(code("def f(x):\n    return x * x"), 1.0);
  for (const char* program :
       {"def f(x): return 4", "raise SystemExit(0)", "import os; os._exit(0)", "exit(0)",
        "import sys; sys.exit(0)", "import builtins; builtins.AssertionError = None",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import atexit, os\natexit.register(lambda: os._exit(0))\ndef f(x): return 0",
        "import sys\nsys.excepthook = lambda *a: None\ndef f(x): return 0",
        "import threading, os\nthreading.Timer(0, lambda: os._exit(0)).start()\ndef f(x): return "
        "0"}) {
    EXPECT_EQ(code(program), 0.0) << program;
  }
  EXPECT_EQ(rewarder.reward(key, {"def f(x): return x * x", 10, false, 0}).code, 0.0) << "no fence";
}

}  // namespace
}  // namespace fathom::posttrain
