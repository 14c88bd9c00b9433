// The same items, model and window as lm-evaluation-harness had: tools/golden/make_eval_golden.py.
#include <gmock/gmock.h>

#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "backend/backend.h"
#include "eval/model/engine_model.h"
#include "eval/result/result_files.h"
#include "eval/run/aggregation.h"
#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"
#include "io/json.h"

namespace fathom::eval {
namespace {

using io::JsonValue;

const std::string kGolden = std::string(FATHOM_SOURCE_DIR) + "/tests/golden/eval";
constexpr double kTolerancePerToken = 1e-3;
constexpr i64 kWindow = 256;

/// The golden model with an engine.
class GoldenModel {
 public:
  GoldenModel()
      : ctx_(backend::make_context()),
        weights_(model::Model::load(ctx_, kGolden + "/model")),
        codec_(value_or_throw(engine::load_text_codec(kGolden + "/model"))) {
    EngineModelOptions options;
    options.engine.context_tokens = kWindow;
    options.engine.cache_tokens = 16 * kWindow;
    options.engine.cost_measurement_s = 0;
    options.engine.cache_dtype = ops::CacheDType::kF32;
    options.engine.run.activations = ops::Activations::kF32;
    options.stop_token_ids = engine::stop_token_ids(codec_, weights_->config(), {});
    engine_ = std::make_unique<EngineModel>(ctx_, *weights_, codec_, options);
  }
  EngineModel& engine() { return *engine_; }

 private:
  Ctx ctx_;
  std::unique_ptr<model::Model> weights_;
  engine::TextCodec codec_;
  std::unique_ptr<EngineModel> engine_;
};

std::vector<Task> tasks_of(const std::string& name, std::optional<i64> shots) {
  TaskSpec spec = value_or_throw(load_task(name));
  spec.prompts.at("lm-eval").max_tokens = 24;
  return value_or_throw(build_tasks(spec, {.data = kGolden + "/data", .shots = shots}));
}

std::vector<JsonValue> lines_of(std::istream&& stream) {
  std::vector<JsonValue> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(value_or_throw(io::parse_json(line, "line")));
  }
  return lines;
}

double number(const JsonValue& text) {
  double value = NAN;
  const std::string& digits = text.as_string();
  std::from_chars(digits.data(), digits.data() + digits.size(), value);
  return value;
}

/// Answers of one item: log-probabilities with the greedy flag, or a text.
void expect_same_answers(const JsonValue& want, const JsonValue& got, const std::string& what) {
  const auto& expected = want.find("resps")->as_array();
  const auto& answers = got.find("resps")->as_array();
  ASSERT_EQ(answers.size(), expected.size()) << what;
  for (size_t i = 0; i < expected.size(); ++i) {
    const JsonValue& one = expected[i].as_array()[0];
    const JsonValue& own = answers[i].as_array()[0];
    if (one.is_string()) {
      EXPECT_EQ(own.as_string(), one.as_string()) << what;
      continue;
    }
    const io::JsonArray& tokens = got.find("fathom")->find("option_tokens")->as_array();
    const i64 count = i < tokens.size() ? tokens[i].as_integer() : 1;
    EXPECT_NEAR(number(own.as_array()[0]), number(one.as_array()[0]),
                kTolerancePerToken * static_cast<double>(count))
        << what << " option " << i;
    EXPECT_EQ(own.as_array()[1].as_string(), one.as_array()[1].as_string())
        << what << " greedy " << i;
  }
}

void expect_same_samples(const TaskResult& result) {
  const std::string& name = result.task.name;
  const auto want = lines_of(std::ifstream(kGolden + "/samples_" + name + ".jsonl"));
  ASSERT_FALSE(want.empty()) << name;
  const auto got = lines_of(std::istringstream(samples_lines(result)));
  ASSERT_EQ(got.size(), want.size()) << name;
  std::map<std::pair<std::string, i64>, const JsonValue*> own;
  for (const JsonValue& each : got) {
    own[{each.find("filter")->as_string(), each.find("doc_id")->as_integer()}] = &each;
  }
  for (const JsonValue& each : want) {
    const std::string& filter = each.find("filter")->as_string();
    const i64 item = each.find("doc_id")->as_integer();
    const std::string what = name + " " + filter + " " + std::to_string(item);
    ASSERT_TRUE((own.contains({filter, item}))) << what;
    const JsonValue& mine = *own.at({filter, item});
    for (const char* const key : {"doc_hash", "prompt_hash", "target_hash", "target"}) {
      EXPECT_EQ(mine.find(key)->as_string(), each.find(key)->as_string()) << what << " " << key;
    }
    expect_same_answers(each, mine, what);
    for (const std::string& metric : result.task.prompt.metrics) {
      const JsonValue* const value = each.find(metric);
      if (value == nullptr || metric == "perplexity") continue;
      EXPECT_EQ(mine.find(metric)->as_number(), value->as_number()) << what << " " << metric;
    }
  }
}

/// Aggregates and standard errors under lm-eval's keys.
void expect_same_results(const TaskResult& result) {
  const JsonValue golden = value_or_throw(io::read_json(kGolden + "/results.json"));
  const JsonValue* const want = golden.find("results")->find(result.task.name);
  ASSERT_NE(want, nullptr) << result.task.name;
  for (const MetricResult& metric : result.metrics) {
    const JsonValue* const value = want->find(metric.metric + "," + metric.filter);
    if (value == nullptr) continue;  // one of ours beside lm-eval's
    const std::string what = result.task.name + " " + metric.metric + " " + metric.filter;
    EXPECT_NEAR(metric.value, value->as_number(), 1e-5 * std::max(1.0, std::abs(metric.value)))
        << what;
    const JsonValue* const error = want->find(metric.metric + "_stderr," + metric.filter);
    ASSERT_TRUE(metric.stderr_of_value && error->is_number()) << what;
    EXPECT_NEAR(*metric.stderr_of_value, error->as_number(), 1e-4 * std::max(1.0, metric.value))
        << what;
  }
}

TEST(LmEvalGolden, ItemsAnswersAndResultsAreItsOwn) {
  GoldenModel model;
  std::vector<Task> tasks;
  const std::pair<const char*, std::optional<i64>> names[] = {{"arc_easy", std::nullopt},
                                                              {"hellaswag", std::nullopt},
                                                              {"winogrande", std::nullopt},
                                                              {"lambada_openai", std::nullopt},
                                                              {"mmlu", 3},
                                                              {"gsm8k", 2}};
  for (const auto& [name, shots] : names) {
    for (Task& task : tasks_of(name, shots)) tasks.push_back(std::move(task));
  }
  i64 items = 0;
  for (const TaskResult& result : evaluate(model.engine(), std::move(tasks), {})) {
    expect_same_samples(result);
    expect_same_results(result);
    items += std::ssize(result.items);
  }
  EXPECT_EQ(items, 300);
  const ModelWork work = model.engine().work();
  EXPECT_LT(work.computed_tokens, work.asked_tokens / 2) << "what options share is computed once";
}

TEST(LmEvalGolden, NumbersDependOnTheItemAlone) {
  GoldenModel model;
  std::vector<Task> tasks = tasks_of("mmlu", 3);
  const auto together = evaluate(model.engine(), tasks, {});
  for (size_t t = 0; t < tasks.size(); ++t) {
    for (size_t i = 0; i < 3; ++i) {
      GoldenModel fresh;
      const auto& options = tasks[t].items[i].options;
      std::vector<TextScore> alone(options.size());
      for (size_t o = options.size(); o-- > 0;) {
        fresh.engine().score({&options[o], 1}, [&](size_t, const TextScore& s) { alone[o] = s; });
        EXPECT_EQ(alone[o].log_prob, together[t].items[i].scores.options[o].log_prob);
      }
    }
  }
}

/// Options as they come in life: long, empty contexts, borders inside a token, too long a context.
TEST(LmEvalGolden, AwkwardOptionsAreScored) {
  GoldenModel model;
  const std::string word = "the cat walks over the old garden ";
  std::string context, option;
  for (int i = 0; i < 60; ++i) context += word;
  for (int i = 0; i < 20; ++i) option += word;
  const std::vector<ContextAndText> asked = {{"a dog", " " + option},  {"", " the cat"},
                                             {"the c", "at"},          {context, " red"},
                                             {context, option},        {"ends in space ", "red"},
                                             {"ends in space", " red"}};
  std::vector<TextScore> scores(asked.size());
  model.engine().score(asked, [&](size_t i, const TextScore& score) { scores[i] = score; });
  EXPECT_GE(scores[0].tokens, 40);
  EXPECT_LT(scores[0].log_prob, 0.0);
  EXPECT_GE(scores[1].tokens, 1);
  EXPECT_GE(scores[2].tokens, 1);
  EXPECT_TRUE(scores[3].truncated);
  EXPECT_FALSE(scores[0].truncated);
  EXPECT_TRUE(scores[4].truncated);
  EXPECT_EQ(scores[5].log_prob, scores[6].log_prob) << "white space moves to the option";
  EXPECT_THROW(model.engine().score(std::vector<ContextAndText>{{"no option", ""}},
                                    [](size_t, const TextScore&) {}),
               Error);
}

std::vector<TextScore> document_scores(EngineModel& model, std::span<const RollingRequest> asked) {
  std::vector<TextScore> scores(asked.size());
  model.score_documents(asked, [&](size_t i, const TextScore& score) { scores[i] = score; });
  return scores;
}

TEST(LmEvalGolden, DocumentsHaveItsSums) {
  const auto want = lines_of(std::ifstream(kGolden + "/documents.jsonl"));
  ASSERT_EQ(want.size(), 4u);
  std::vector<RollingRequest> asked;
  for (const JsonValue& each : want) asked.push_back({each.find("text")->as_string()});
  GoldenModel model;
  const auto scores = document_scores(model.engine(), asked);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_EQ(scores[i].tokens, want[i].find("tokens")->as_integer()) << i;
    EXPECT_NEAR(scores[i].log_prob, want[i].find("log_prob")->as_number(), 5e-3) << i;
  }
}

/// Each window can be asked alone: as a text behind what the window shows before it.
TEST(LmEvalGolden, WindowAndStrideOfADocumentDecideWhatIsSeen) {
  const std::string text = "stone tree milk house moon river";
  GoldenModel model;
  const auto sum_of = [&](const std::vector<ContextAndText>& windows) {
    double sum = 0;
    i64 tokens = 0;
    model.engine().score(windows, [&](size_t, const TextScore& score) {
      sum += score.log_prob;
      tokens += score.tokens;
    });
    EXPECT_EQ(tokens, 6) << "a word is a token";
    return sum;
  };
  const RollingRequest asked[] = {{text, 3, 0}, {text, 3, 1}};
  const auto scores = document_scores(model.engine(), asked);
  EXPECT_NEAR(scores[0].log_prob, sum_of({{"", "stone tree milk"}, {" milk", " house moon river"}}),
              1e-4);
  EXPECT_NEAR(scores[1].log_prob,
              sum_of({{"", "stone tree milk"},
                      {"stone tree milk", " house"},
                      {" tree milk house", " moon"},
                      {" milk house moon", " river"}}),
              1e-4);
}

}  // namespace
}  // namespace fathom::eval
