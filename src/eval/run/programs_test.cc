// What becomes of answers that are programs.
#include <gmock/gmock.h>

#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"

namespace fathom::eval {
namespace {

/// A model that answers what it was told to.
class Parrot : public LanguageModel {
 public:
  explicit Parrot(std::vector<std::string> answers) : answers_(std::move(answers)) {}
  void score(std::span<const ContextAndText>, const OnScore&) override {}
  void score_documents(std::span<const RollingRequest>, const OnScore&) override {}
  void generate(std::span<const GenerationRequest> requests, const OnText& done) override {
    for (size_t i = 0; i < requests.size(); ++i) done(i, {.text = answers_.at(i)});
  }
  ModelFacts facts() const override { return {}; }

 private:
  std::vector<std::string> answers_;
};

Task task_of(const char* name, std::vector<io::JsonValue> documents) {
  Task task;
  task.name = name;
  task.output = OutputKind::kGenerate;
  task.prompt = value_or_throw(load_task(name)).prompts.at("v3");
  for (io::JsonValue& document : documents) {
    Item item;
    item.document.stored = item.document.visible = std::move(document);
    task.items.push_back(std::move(item));
  }
  return task;
}

io::JsonValue parsed(const char* text) { return value_or_throw(io::parse_json(text, "item")); }

std::vector<double> passes(const char* task, const io::JsonValue& document,
                           const std::vector<std::string>& answers) {
  static const Result<Sandbox> sandbox = Sandbox::build();
  Parrot parrot(answers);
  EvaluationOptions options;
  options.sandbox = &*sandbox;
  const auto results = evaluate(
      parrot, {task_of(task, std::vector<io::JsonValue>(answers.size(), document))}, options);
  std::vector<double> values;
  for (const ItemResult& item : results[0].items) values.push_back(item.views[0].values[0]);
  return values;
}

#define SKIP_WITHOUT_SANDBOX() \
  if (const auto sandbox = Sandbox::build(); !sandbox) GTEST_SKIP() << sandbox.error().message()

TEST(Programs, HumanEvalRunsTheTestOverPromptAndAnswer) {
  SKIP_WITHOUT_SANDBOX();
  const auto item = parsed(
      R"({"prompt":"def two(x: List[int]):\n    \"\"\"Twice.\"\"\"\n","entry_point":"two","test":"def check(f):\n    assert f(2) == 4"})");
  EXPECT_EQ(passes("humaneval", item,
                   {"\n    return 2 * x\n", "\n    return x\n", "\n    import os; os._exit(0)\n"}),
            (std::vector<double>{1, 0, 0}));
}

TEST(Programs, MbppRunsItsTestsOneAfterAnother) {
  SKIP_WITHOUT_SANDBOX();
  const auto item =
      parsed(R"({"test_setup_code":"a = 1","test_list":["assert f() == a","assert f() != 2"]})");
  EXPECT_EQ(passes("mbpp", item, {"def f(): return 1", "def f(): return 2", "nonsense("}),
            (std::vector<double>{1, 0, 0}));
}

TEST(Programs, CruxEvalComparesValuesAndTakesNoCallForAnAnswer) {
  SKIP_WITHOUT_SANDBOX();
  const auto item =
      parsed(R"({"code":"def f(s):\n    return s + 'b'","input":"'a'","output":"'ab'"})");
  EXPECT_EQ(passes("cruxeval_o", item,
                   {"assert f('a') == 'ab'", "assert f('a') == \"ab\"", "assert f('a') == f('a')",
                    "'ab'", "ab"}),
            (std::vector<double>{1, 1, 0, 1, 0}));
  EXPECT_EQ(passes("cruxeval_i", item, {"assert f('a') == 'ab'", "assert f('x') == 'ab'", "'ab'"}),
            (std::vector<double>{1, 0, 0}));
}

}  // namespace
}  // namespace fathom::eval
