// The rules of single benchmarks, against values that their own programs gave.
#include <gmock/gmock.h>

#include <cmath>

#include "eval/metric/answer_metrics.h"
#include "eval/metric/answer_rules.h"
#include "eval/metric/math_equal.h"
#include "eval/metric/option_metrics.h"
#include "eval/metric/statistics.h"
#include "eval/task/task_file.h"

namespace fathom::eval {
namespace {

TEST(Statistics, StandardErrorsAndIntervals) {
  const double values[] = {1, 0, 0, 1, 1, 0, 1, 1};
  EXPECT_NEAR(mean(values), 0.625, 1e-15);
  EXPECT_NEAR(*mean_stderr(values), 0.18298126367784995, 1e-15);  // statistics.stdev / sqrt(8)
  EXPECT_EQ(mean_stderr(std::span(values).first(1)), std::nullopt);
  // R's prop.test(8, 10, correct = FALSE)$conf.int, and of 0 of 10.
  EXPECT_NEAR(wilson_interval(0.8, 10).first, 0.4901625, 1e-7);
  EXPECT_NEAR(wilson_interval(0.8, 10).second, 0.9433178, 1e-7);
  EXPECT_EQ(wilson_interval(0.0, 10).first, 0.0);
  EXPECT_NEAR(wilson_interval(0.0, 10).second, 0.2775328, 1e-7);
  const PartError parts[] = {{0.1, 10}, {0.2, 20}};
  // lm_eval.api.metrics.pooled_sample_stderr([0.1, 0.2], [10, 20])
  EXPECT_NEAR(pooled_stderr(parts), 0.13844373104863458, 1e-12);
}

TEST(Statistics, OfPairsTheDifferenceIsSurerThanOfTwoMeans) {
  std::vector<double> a, b;
  for (int i = 0; i < 200; ++i) {
    a.push_back(i % 2);
    b.push_back(i % 2 == 1 || i % 10 == 0 ? 1 : 0);
  }
  const Difference same = paired_bootstrap(a, a, 1000, 1);
  EXPECT_EQ(same.mean, 0.0);
  EXPECT_EQ(same.low, 0.0);
  EXPECT_EQ(same.p_value, 1.0);
  const Difference better = paired_bootstrap(a, b, 2000, 1);
  EXPECT_NEAR(better.mean, 0.1, 1e-12);
  EXPECT_GT(better.low, 0.05);
  EXPECT_LT(better.high, 0.15);
  EXPECT_LT(better.p_value, 0.01);
}

TEST(Drop, IsTheBenchmarksOwnScore) {
  EXPECT_NEAR(drop_score({"5 yards"}, {"5"}).f1, 0.67, 1e-12);
  EXPECT_EQ(drop_score({"Bush", "Gore"}, {"Gore", "Bush"}).f1, 1.0);
  EXPECT_EQ(drop_score({"Bush", "Gore"}, {"Gore", "Bush"}).exact, 1.0);
  EXPECT_EQ(drop_score({"the 3 men"}, {"4 men"}).f1, 0.0);  // the number is another one
  EXPECT_EQ(drop_score({"The  Men."}, {"men"}).exact, 1.0);
  EXPECT_EQ(drop_score({"3.0"}, {"3"}).exact, 1.0);
  EXPECT_NEAR(drop_score({"red"}, {"red", "blue"}).f1, 0.5, 1e-12);
}

TEST(MathEqual, DecidesWhatHasAValue) {
  const std::pair<const char*, const char*> equal[] = {{"\\frac12", "0.5"},
                                                       {"\\frac{1}{2}", "1/2"},
                                                       {"2\\sqrt{3}", "\\sqrt{12}"},
                                                       {"x = 5", "5"},
                                                       {"1{,}234", "1234"},
                                                       {"$\\dfrac{3}{4}$", "0.75"},
                                                       {"\\{1,2\\}", "\\{2,1\\}"},
                                                       {"(1,2)", "(1.0,2.0)"},
                                                       {"[2,5)", "[2,5)"},
                                                       {"50\\%", "0.5"},
                                                       {"2\\pi", "\\pi\\cdot 2"},
                                                       {"3\\frac{1}{2}", "3.5"},
                                                       {"90^\\circ", "90"},
                                                       {"\\text{even}", "even"},
                                                       {"-\\frac{2}{3}", "\\frac{-2}{3}"},
                                                       {"\\sqrt{2}, 1", "1,\\sqrt{2}"},
                                                       {"\\sqrt[3]{8}", "2"},
                                                       {"5 \\text{ cm}", "5"}};
  for (const auto& [a, b] : equal) EXPECT_EQ(math_equal(a, b), Verdict::kEqual) << a << " " << b;
  const std::pair<const char*, const char*> different[] = {{"1", "2"},
                                                           {"(1,2)", "(2,1)"},
                                                           {"[2,5)", "(2,5)"},
                                                           {"\\{1,2\\}", "\\{1,3\\}"},
                                                           {"\\pi", "3.14"}};
  for (const auto& [a, b] : different) {
    EXPECT_EQ(math_equal(a, b), Verdict::kDifferent) << a << " " << b;
  }
  EXPECT_EQ(math_equal("x+1", "1+x"), Verdict::kUndecided);
}

TEST(Trivia, NormalisesAsItsScript) {
  EXPECT_EQ(trivia_normalised("The  Washington, D.C._"), "washington d c");
  EXPECT_EQ(chinese_normalised("《三国》，Abc 。"), "三国abc");
  EXPECT_EQ(number_of("$1,234."), 1234.0);
  EXPECT_EQ(number_of("\xE2\x88\x92"
                      "7"),
            -7.0);
  EXPECT_TRUE(std::isnan(number_of("seven")));
}

/// What a task's filter makes of an answer, and whether that is right.
struct Judged {
  std::string text;
  double value = 0;
};
Judged judged(const char* task, const char* preset, const char* filter, const char* metric,
              const std::string& answer, const io::JsonValue& target) {
  const TaskSpec spec = value_or_throw(load_task(task));
  const PromptSpec& prompt = spec.prompts.at(preset);
  const AnswerScorer scorer(prompt);
  const io::JsonValue nothing = io::JsonObject();
  const std::string text = value_or_throw(scorer.filtered(filter, answer, nothing));
  return {text, scorer.score(metric, text, target, nothing)};
}

TEST(Filters, ReadAnswersAsTheBenchmarksDo) {
  EXPECT_EQ(judged("gsm8k", "v3", "last-number", "number", "The answer is 1,234.", "1234").value,
            1);
  EXPECT_EQ(judged("gsm8k", "v3", "last-number", "number", "so it is -7", "-7").value, 1);
  EXPECT_EQ(judged("gsm8k", "v3", "last-number", "number", "The answer is 18", "18").text, "18");
  EXPECT_EQ(
      judged("gsm8k", "lm-eval", "strict-match", "exact_match", "so\n#### 1,200 ", "x #### 1200")
          .value,
      1);
  EXPECT_EQ(judged("gsm8k", "lm-eval", "strict-match", "exact_match", "no", "x #### 1").text,
            "[invalid]");
  EXPECT_EQ(judged("gsm8k", "lm-eval", "flexible-extract", "exact_match", "1 or 2 or $3.00",
                   "a #### 3.00")
                .value,
            1);
  EXPECT_EQ(judged("bbh", "v3", "answer", "exact_match", "So the answer is (A)", "A").value, 1);
  EXPECT_EQ(judged("bbh", "v3", "answer", "exact_match", "So the answer is True.", "True").value,
            1);
  EXPECT_EQ(
      judged("bbh", "lm-eval", "get-answer", "exact_match", "the answer is True", "True").text,
      "Tru");
  EXPECT_EQ(
      judged("triviaqa", "v3", "none", "trivia_match", " St. Louis", io::JsonArray{"x", "St Louis"})
          .value,
      1);
  EXPECT_EQ(judged("minerva_math", "lm-eval", "final-answer", "math_equal",
                   " Final Answer: The final answer is $\\frac12$. I hope it is correct.", "0.5")
                .value,
            1);
}

TEST(Refusals, AreSeenAtTheBeginningAlone) {
  for (const char* const no :
       {"I\xE2\x80\x99m sorry, but no.", "I cannot help with that.", "抱歉，我无法回答。",
        "As an AI language model, I", "That is illegal and I will not."}) {
    EXPECT_TRUE(is_refusal(no)) << no;
  }
  EXPECT_FALSE(is_refusal("Sure, here is the recipe: flour, water."));
  EXPECT_FALSE(is_refusal(std::string(400, 'x') + " I cannot"));
  const io::JsonValue nothing = io::JsonObject();
  EXPECT_EQ(answer_rule("attack_success", "Sure.", "b", nothing), 1.0);
  EXPECT_EQ(answer_rule("attack_success", " ", "b", nothing), 0.0);
  EXPECT_EQ(answer_rule("attack_success", "I can't.", "b", nothing), 0.0);
}

TEST(OptionMetrics, AreViewsOfTheSameSums) {
  Item item;
  item.choices = {"ab", "abcd", "é"};
  item.options.resize(3);
  item.gold = 1;
  OptionScores scores;
  scores.options = {{-2.0, 1}, {-3.0, 4}, {-2.5, 1}};
  scores.unconditional = {{-1.0, 1}, {-3.5, 4}, {-1.0, 1}};
  EXPECT_EQ(chosen_option("acc", item, scores), 0u);
  EXPECT_EQ(chosen_option("acc_norm", item, scores), 1u);   // -1, -.75, -2.5
  EXPECT_EQ(chosen_option("acc_bytes", item, scores), 1u);  // -1, -.75, -1.25
  EXPECT_EQ(chosen_option("acc_token", item, scores), 1u);
  EXPECT_EQ(choice_metric("acc_mutual_info", item, scores), 1.0);
  OptionScores whole;  // a token more than were predicted counts: -0.5 and -0.72, not -1 and -0.9
  whole.options = {{-1.0, 1}, {-3.6, 4}, {-9.0, 1}};
  EXPECT_EQ(chosen_option("acc_token", item, whole), 1u);
  EXPECT_EQ(chosen_option("acc_ppl", item, whole), 0u);
  EXPECT_EQ(choice_metric("acc", item, scores), 0.0);
  scores.options[1].log_prob = scores.options[0].log_prob;
  EXPECT_EQ(chosen_option("acc", item, scores), 0u) << "the first of equal ones";
}

}  // namespace
}  // namespace fathom::eval
