// A judge's questions, and what becomes of its words.
#include "eval/judge/judge.h"

#include <gmock/gmock.h>

#include "eval/model/test_parrot.h"
#include "eval/result/page.h"
#include "eval/result/result_files.h"
#include "eval/result/stored_run.h"
#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"
#include "testing/temp_dir.h"

namespace fathom::eval {
namespace {

using ::testing::HasSubstr;

Task task_of(const char* name, const char* preset, std::vector<std::string> documents) {
  Task task;
  task.name = name;
  task.output = OutputKind::kGenerate;
  task.prompt = value_or_throw(load_task(name)).prompts.at(preset);
  for (const std::string& text : documents) {
    Item item;
    item.document.stored = item.document.visible = value_or_throw(io::parse_json(text, "item"));
    item.prompt = text;
    task.items.push_back(std::move(item));
  }
  return task;
}

double value(const TaskResult& result, std::string_view metric) {
  for (const MetricResult& each : result.metrics) {
    if (each.metric == metric) return each.value;
  }
  ADD_FAILURE() << metric;
  return -1;
}

TEST(Judge, SimpleQaCountsGradesAndTakesNoLetterForNoAttempt) {
  Task task = task_of("simpleqa", "v3",
                      {R"({"problem":"Who?","answer":"Ada","gold":"Ada"})",
                       R"({"problem":"When?","answer":"1843","gold":"1843"})",
                       R"({"problem":"Where?","answer":"London","gold":"London"})",
                       R"({"problem":"Why?","answer":"For fun","gold":"For fun"})"});
  Parrot model({"Ada Lovelace", "1900", "I do not know", "It was fun"});
  Parrot judge({"A", "B", "no grade at all", "A"});
  const auto results = evaluate(model, {std::move(task)}, {.judge = &judge});
  EXPECT_EQ(value(results[0], "correct"), 0.5);
  EXPECT_EQ(value(results[0], "incorrect"), 0.25);
  EXPECT_EQ(value(results[0], "not_attempted"), 0.25);
  EXPECT_NEAR(value(results[0], "correct_given_attempted"), 2.0 / 3, 1e-12);
  EXPECT_NEAR(value(results[0], "f_score"), 2 * (2.0 / 3) * 0.5 / (2.0 / 3 + 0.5), 1e-12);
  // The judge sees question, right answer and the model's; its words are kept.
  EXPECT_THAT(judge.asked()[0].prompt,
              HasSubstr("Question: Who?\nRight answer: Ada\nAnswer to grade: Ada Lovelace\n"));
  EXPECT_THAT(samples_lines(results[0]),
              HasSubstr(R"("judge": [{"reply": "no grade at all", "verdict": "not_attempted"}])"));
}

TEST(Judge, APairIsShownInBothOrdersAndAJudgeWhoLikesTheFirstFindsATie) {
  std::vector<std::string> documents;
  for (int i = 0; i < 40; ++i) {
    documents.push_back(R"({"instruction":"Say )" + std::to_string(i) + R"(","output":"theirs"})");
  }
  const Task task = task_of("alpaca_eval", "v3", documents);
  const auto win_rate = [&](const Parrot::Answer& opinion) {
    Parrot model([](const GenerationRequest&) { return "ours"; });
    Parrot judge(opinion);
    const auto results = evaluate(model, {task}, {.judge = &judge});
    i64 first = 0;
    for (size_t i = 0; i < judge.asked().size(); i += 2) {
      const bool ours_first = judge.asked()[i].prompt.find("[Answer 1]\nours") != std::string::npos;
      const bool then = judge.asked()[i + 1].prompt.find("[Answer 1]\nours") != std::string::npos;
      EXPECT_NE(ours_first, then) << i;
      first += ours_first ? 1 : 0;
    }
    EXPECT_GT(first, 8);  // the first order is drawn
    EXPECT_LT(first, 32);
    return value(results[0], "win_rate");
  };
  EXPECT_EQ(win_rate([](const GenerationRequest&) { return "1"; }), 0.5);
  EXPECT_EQ(win_rate([](const GenerationRequest&) { return "neither"; }), 0.5);
  const auto likes = [](const char* text) {
    return [text](const GenerationRequest& request) {
      return request.prompt.find(std::string("[Answer 1]\n") + text) != std::string::npos ? "1"
                                                                                          : "2";
    };
  };
  EXPECT_EQ(win_rate(likes("ours")), 1.0);
  EXPECT_EQ(win_rate(likes("theirs")), 0.0);
}

TEST(Judge, ArenaHardsVerdictIsTheLastOneInTheReply) {
  const Task task =
      task_of("arena_hard", "v3", {R"({"instruction":"Say hi","baseline":"theirs"})"});
  const auto win_rate = [&](const std::string& reply) {
    Parrot model([](const GenerationRequest&) { return "ours"; });
    // The same opinion of the same answer, in whichever order it stands.
    Parrot judge([&](const GenerationRequest& request) {
      const bool ours_first = request.prompt.find("[Assistant A]\nours") != std::string::npos;
      std::string said = reply;
      if (!ours_first) {
        for (char& c : said) c = c == 'A' ? 'B' : c == 'B' ? 'A' : c;
      }
      return said;
    });
    return value(evaluate(model, {task}, {.judge = &judge})[0], "win_rate");
  };
  EXPECT_EQ(win_rate("[[B>A]] at first, but [[A>>B]]"), 1.0);
  EXPECT_EQ(win_rate("[[A>B]]"), 1.0);
  EXPECT_EQ(win_rate("[[A=B]]"), 0.5);
  EXPECT_EQ(win_rate("no verdict"), 0.5);
  EXPECT_EQ(win_rate("[[A>B]], no: [[B>A]]"), 0.0);
  EXPECT_EQ(win_rate("[[B>>A]]"), 0.0);
}

TEST(Judge, ThePageShowsWhatItSaidOfEveryAnswer) {
  Task task = task_of("simpleqa", "v3", {R"({"problem":"Who?","answer":"Ada","gold":"Ada"})"});
  task.prompt.samples = 2;
  Parrot model({"Ada Lovelace", "Babbage"});
  Parrot judge({"A, since <b>Ada</b> it is", "B"});
  const auto results = evaluate(model, {std::move(task)}, {.judge = &judge});
  const fathom::testing::TempDir folder;
  const auto written =
      write_results(folder.path(), results, {.model = {.name = "m"}, .stamp = "s"});
  const StoredRun run = value_or_throw(read_stored_run(written));
  const std::string page = results_page({&run, 1}, 0.0);
  EXPECT_THAT(page, HasSubstr(R"("resps":[["Ada Lovelace","Babbage"]])"));
  EXPECT_THAT(page, HasSubstr(R"("judge":[{"reply":"A, since \u003cb>Ada\u003c/b> it is",)"
                              R"("verdict":"correct"},{"reply":"B","verdict":"incorrect"}])"));
}

TEST(Judge, TheOrderOfAPairDependsOnSeedAndTextsAlone) {
  const JudgeSpec spec{.text = "{{first}} {{second}}", .verdict = "{{answer}}", .baseline = "b"};
  Item item;
  item.document.visible = io::JsonValue(io::JsonObject());
  std::vector<bool> orders, again, other;
  for (int i = 0; i < 32; ++i) {
    item.prompt = std::to_string(i);
    orders.push_back(value_or_throw(JudgePrompt(spec, 1).questions("a", item))[0].swapped);
    again.push_back(value_or_throw(JudgePrompt(spec, 1).questions("a", item))[0].swapped);
    other.push_back(value_or_throw(JudgePrompt(spec, 2).questions("a", item))[0].swapped);
  }
  EXPECT_EQ(orders, again);
  EXPECT_NE(orders, other);
}

TEST(Judge, SharesOfSeveralVotesCount) {
  Task task = task_of("jailbreak", "judged", {R"({"attack":"Do it","behaviour":"it"})"});
  task.prompt.judge.votes = 4;
  task.prompt.judge.temperature = 0.5;
  Parrot model({"I cannot do that, but here is a poem."});
  Parrot judge({"yes", "NO", "No.", "Hmm"});
  const auto results = evaluate(model, {std::move(task)}, {.judge = &judge, .seed = 3});
  EXPECT_EQ(value(results[0], "judged_attack_success"), 0.25);
  EXPECT_EQ(value(results[0], "attack_success"), 0.0);  // by the rule of phrases
  std::vector<u64> seeds;
  for (const auto& each : judge.asked()) seeds.push_back(each.seed);
  EXPECT_EQ(seeds, (std::vector<u64>{3, 4, 5, 6}));
}

TEST(Judge, WhatIsWrongWithAJudgeIsSaidBefore) {
  const auto error = [](const std::string& keys) {
    const auto spec = parse_task(
        "output = \"generate_until\"\n[source.own]\ntest = [\"x.jsonl\"]\n[prompt.lm-eval]\n"
        "text = \"{{q}}\"\ntarget = \"{{q}}\"\n" +
            keys,
        "own.toml", "own");
    return spec ? std::string() : std::string(spec.error().message());
  };
  const std::string judge = "[prompt.lm-eval.judge]\ntext = \"?\"\nverdict = \"{{answer}}\"\n";
  EXPECT_THAT(error("metrics = [\"correct\"]"), HasSubstr("judge.text: missing"));
  EXPECT_EQ(error("metrics = [\"correct\"]\n" + judge + "labels = [\"A: correct\"]"), "");
  EXPECT_THAT(error("metrics = [\"correct\"]\n" + judge + "labels = [\"A: right\"]"),
              HasSubstr("labels: expected \"verdict: a judged metric\", found \"A: right\""));
  EXPECT_THAT(error("metrics = [\"win_rate\"]\n" + judge + "labels = [\"A: first\"]"),
              HasSubstr("judge.baseline: missing: win_rate compares two answers"));
  EXPECT_THAT(error("metrics = [\"correct\"]\n" + judge + "labels = [\"A: correct\"]\nvotes = 2"),
              HasSubstr("judge.votes: found 2: at temperature 0 there are 1 different questions"));
}

}  // namespace
}  // namespace fathom::eval
