// Several answers to each question.
#include <gmock/gmock.h>

#include "eval/model/answer_store.h"
#include "eval/model/test_parrot.h"
#include "eval/result/result_files.h"
#include "eval/run/evaluation.h"
#include "eval/task/inherited.h"
#include "eval/task/task_file.h"
#include "testing/temp_dir.h"

namespace fathom::eval {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

io::JsonValue json_of(const std::string& text) {
  return value_or_throw(io::parse_json(text, "text"));
}

TaskSpec spec_of(const std::string& prompt) {
  return value_or_throw(parse_task(
      "output = \"generate_until\"\n[source.own]\ntest = [\"x.jsonl\"]\n[prompt.lm-eval]\n"
      "text = \"{{q}}\"\ntarget = \"{{a}}\"\n" +
          prompt,
      "own.toml", "own"));
}

Task task_of(const std::string& prompt, std::initializer_list<const char*> documents) {
  Task task;
  task.name = "own";
  task.output = OutputKind::kGenerate;
  task.prompt = spec_of(prompt).prompts.at("lm-eval");
  for (const char* const text : documents) {
    Item item;
    item.document.stored = item.document.visible = json_of(text);
    item.prompt = item.document.visible.find("q")->as_string();
    item.target = *item.document.visible.find("a");
    item.index = std::ssize(task.items);
    task.items.push_back(std::move(item));
  }
  return task;
}

std::string error_of(const std::string& prompt) {
  const auto spec = parse_task(
      "output = \"generate_until\"\n[source.own]\ntest = [\"x.jsonl\"]\n[prompt.lm-eval]\n"
      "text = \"{{q}}\"\ntarget = \"{{a}}\"\n" +
          prompt,
      "own.toml", "own");
  return spec ? "" : spec.error().message();
}

TEST(Samples, EachHasASeedOfItsOwnAndTheMeanIsReported) {
  Task task = task_of("samples = 3\ntemperature = 0.7\ntop_p = 0.9\nmetrics = [\"exact_match\"]",
                      {R"({"q":"one?","a":"1"})", R"({"q":"two?","a":"2"})"});
  Parrot parrot({"1", "0", "1", "0", "0", "2"});
  const auto results = evaluate(parrot, {std::move(task)}, {.seed = 7});
  std::vector<u64> seeds;
  for (const GenerationRequest& each : parrot.asked()) {
    EXPECT_EQ(each.temperature, 0.7);
    EXPECT_EQ(each.top_p, 0.9);
    seeds.push_back(each.seed);
  }
  EXPECT_THAT(seeds, ElementsAre(7, 8, 9, 7, 8, 9));
  EXPECT_THAT(results[0].items[0].views[0].values, ElementsAre(DoubleNear(2.0 / 3, 1e-12)));
  EXPECT_NEAR(results[0].metrics[0].value, 0.5, 1e-12);
  // In lm-eval's samples file: all answers of one question in one list.
  const std::string lines = samples_lines(results[0]);
  const io::JsonValue line = json_of(lines.substr(0, lines.find('\n')));
  EXPECT_EQ(io::write_json(*line.find("resps")), R"([["1","0","1"]])");
  EXPECT_EQ(io::write_json(*line.find("filtered_resps")), R"([["1","0","1"]])");
}

TEST(Samples, TheMajorityIsTakenAmongEqualAnswersThatAreSome) {
  const char* const prompt =
      "samples = 5\ntemperature = 1.0\nmetrics = [\"majority_number\", \"number\"]\n"
      "[prompt.lm-eval.filter.last]\nanswer = \"{{answer|find('[0-9.,]+')|or('[invalid]')}}\"";
  const Task task = task_of(prompt, {R"({"q":"?","a":"1000"})"});
  const auto value = [&](std::vector<std::string> answers) {
    Parrot parrot(std::move(answers));
    return evaluate(parrot, {task}, {})[0].items[0].views[0].values;
  };
  // 1,000 and 1000.0 are one answer by the metric's rule; none is no answer to vote for.
  EXPECT_THAT(value({"7", "1,000", "7", "1000.0", "1000"}), ElementsAre(1.0, 0.6));
  EXPECT_THAT(value({"none", "none", "none", "1000", "7"}), ElementsAre(1.0, 0.2));
  EXPECT_THAT(value({"none", "none", "none", "none", "none"}), ElementsAre(0.0, 0.0));
}

TEST(Samples, PassAtKIsTheEstimatorOverAllPrograms) {
  const Result<Sandbox> sandbox = Sandbox::build();
  if (!sandbox) GTEST_SKIP() << sandbox.error().message();
  const Task task = task_of(
      "samples = 4\ntemperature = 1.0\nmetrics = [\"pass@1\", \"pass@2\"]\n"
      "program = \"assert {{answer}} == {{a}}\"",
      {R"({"q":"?","a":"3"})"});
  Parrot parrot({"1+2", "4", "nonsense(", "3"});
  EvaluationOptions options;
  options.sandbox = &*sandbox;
  const auto results = evaluate(parrot, {task}, options);
  EXPECT_THAT(results[0].items[0].views[0].values,
              ElementsAre(DoubleNear(0.5, 1e-12), DoubleNear(1.0 - 1.0 / 6, 1e-12)));
}

TEST(Samples, WhatCannotBeIsRefused) {
  EXPECT_THAT(error_of("samples = 2\nmetrics = [\"exact_match\"]"),
              HasSubstr("prompt.lm-eval.samples: found 2: at temperature 0 all answers are"));
  EXPECT_THAT(error_of("samples = 2\ntemperature = 1.0\nprogram = \"1\"\nmetrics = [\"pass@3\"]"),
              HasSubstr("the metric pass@3 needs at least 3"));
  EXPECT_THAT(error_of("metrics = [\"majority_exact_match\"]"),
              HasSubstr("majority_exact_match needs several"));
  for (const char* const metric :
       {"pass@0", "pass@", "pass@x", "majority_", "majority_pass@1", "majority_acc"}) {
    EXPECT_THAT(
        error_of(std::string("samples = 2\ntemperature = 1.0\nprogram = \"1\"\nmetrics = [\"") +
                 metric + "\"]"),
        HasSubstr("no metric"))
        << metric;
  }
}

TEST(Samples, KeysWithoutEffectAreRefused) {
  const std::pair<const char*, const char*> cases[] = {
      {"gold = \"{{a}}\"", "prompt.lm-eval.gold: has no effect with output = \"generate_until\""},
      {"window = 3", "window: has no effect"},
      {"program = \"1\"", "program: has no effect without a metric pass@K"},
      {"top_p = 0.5", "top_p: has no effect at temperature 0"},
      {"shot_group = \"{{q}}\"\nshot_order = \"first\"",
       "shot_order: has no effect beside shot_group"},
      {"judge.text = \"?\"", "judge: has no effect without a metric that asks it"},
  };
  for (const auto& [keys, message] : cases) {
    EXPECT_THAT(error_of(std::string(keys) + "\nmetrics = [\"exact_match\"]"), HasSubstr(message));
  }
  EXPECT_THAT(error_of("ignore_case = true\nmetrics = [\"number\"]"),
              HasSubstr("ignore_case: has no effect without the metric exact_match"));
}

TEST(Samples, ThoseThatWereDrawnAreKnownAgainAndNewOnesAreNot) {
  const fathom::testing::TempDir folder;
  const auto asked = [&](i64 samples, double temperature, u64 seed) {
    Parrot parrot([](const GenerationRequest&) { return "x"; });
    StoredModel stored(parrot, folder / "answers.jsonl");
    Task task = task_of("samples = 2\ntemperature = 1.0\nmetrics = [\"exact_match\"]",
                        {R"({"q":"?","a":"x"})"});
    task.prompt.samples = samples;
    task.prompt.temperature = temperature;
    evaluate(stored, {std::move(task)}, {.seed = seed});
    return std::ssize(parrot.asked());
  };
  EXPECT_EQ(asked(2, 1.0, 7), 2);
  EXPECT_EQ(asked(2, 1.0, 7), 0);
  EXPECT_EQ(asked(3, 1.0, 7), 1);
  EXPECT_EQ(asked(2, 1.0, 8), 0);  // seeds 8 and 9
  EXPECT_EQ(asked(2, 1.0, 9), 1);
  EXPECT_EQ(asked(2, 0.5, 7), 2);
  EXPECT_EQ(asked(1, 0.0, 7), 1);
}

TEST(Samples, AccPplIsOfWholePromptsAlone) {
  const auto error = [](const std::string& keys) {
    const auto spec = parse_task(
        "output = \"multiple_choice\"\n[source.own]\ntest = [\"x.jsonl\"]\n[prompt.lm-eval]\n"
        "text = \"{{q}}\"\nchoices = \"{{c}}\"\ngold = \"{{g}}\"\n" +
            keys,
        "own.toml", "own");
    return spec ? std::string() : std::string(spec.error().message());
  };
  EXPECT_EQ(error("whole = true\nmetrics = [\"acc_ppl\"]"), "");
  EXPECT_THAT(error("metrics = [\"acc_ppl\"]"), HasSubstr("whole: expected true beside acc_ppl"));
  EXPECT_THAT(error("whole = true\nmetrics = [\"acc\"]"), HasSubstr("whole: changes the other"));
}

TEST(Samples, APresetLikeAnotherSaysWhatDiffers) {
  const TaskSpec spec = spec_of(
      "metrics = [\"exact_match\"]\nstop = [\"x\"]\nmax_tokens = 7\n"
      "[prompt.lm-eval.filter.f]\nanswer = \"{{answer|strip}}\"\n"
      "[prompt.other]\nlike = \"lm-eval\"\ntext = \"Q: {{q}}\"\nshot_order = \"first\"");
  const PromptSpec own = value_or_throw(with_inherited(spec.prompts, "other"));
  EXPECT_EQ(own.text, "Q: {{q}}");
  EXPECT_EQ(own.target, "{{a}}");
  EXPECT_EQ(own.max_tokens, 7);
  EXPECT_EQ(own.shot_order, ShotOrder::kFirst);
  EXPECT_THAT(own.stop, ElementsAre("x"));
  EXPECT_EQ(own.filters.at("f").answer, "{{answer|strip}}");
  EXPECT_EQ(value_or_throw(with_inherited(spec.prompts, "lm-eval")).text, "{{q}}");
  for (const char* const bad : {"none", "other"}) {
    EXPECT_THAT(error_of(std::string("metrics = [\"exact_match\"]\n[prompt.other]\nlike = \"") +
                         bad + "\""),
                HasSubstr("prompt.other.like: expected another preset of this file"))
        << bad;
  }
}

}  // namespace
}  // namespace fathom::eval
