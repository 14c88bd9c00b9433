// What becomes of answers that are programs.
#include <gmock/gmock.h>

#include "eval/model/test_parrot.h"
#include "eval/run/evaluation.h"
#include "eval/task/task_file.h"

namespace fathom::eval {
namespace {

Task task_of(const char* name, const char* preset, std::vector<io::JsonValue> documents) {
  Task task;
  task.name = name;
  task.output = OutputKind::kGenerate;
  task.prompt = value_or_throw(load_task(name)).prompts.at(preset);
  for (io::JsonValue& document : documents) {
    Item item;
    item.document.stored = item.document.visible = std::move(document);
    task.items.push_back(std::move(item));
  }
  return task;
}

io::JsonValue parsed(const std::string& text) {
  return value_or_throw(io::parse_json(text, "item"));
}

std::vector<double> passes(const char* task, const io::JsonValue& document,
                           const std::vector<std::string>& answers, const char* preset = "v3") {
  static const Result<Sandbox> sandbox = Sandbox::build();
  Parrot parrot(answers);
  EvaluationOptions options;
  options.sandbox = &*sandbox;
  const auto results = evaluate(
      parrot, {task_of(task, preset, std::vector<io::JsonValue>(answers.size(), document))},
      options);
  std::vector<double> values;
  for (const ItemResult& item : results[0].items) values.push_back(item.views[0].values[0]);
  return values;
}

/// As a chat model answers: the last block counts.
std::vector<std::string> fenced(std::vector<std::string> programs) {
  for (std::string& each : programs) {
    each = "First:\n```\nprint(1)\n```\nBut better:\n```python\n" + each + "\n```\nThat is all.";
  }
  return programs;
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

TEST(Programs, MultiPlRunsPromptAnswerAndTestsInTheItemsLanguage) {
  SKIP_WITHOUT_SANDBOX();
  const auto item = parsed(
      R"({"language":"sh","prompt":"#!/bin/bash\n# $1 is an integer\ntwice() {\n","stop_tokens":["\n}"],"tests":"}\n[ \"$(twice 4)\" = 8 ] || exit 1"})");
  EXPECT_EQ(passes("multipl_e", item,
                   {"    echo $(( $1 * 2 ))", "    echo 8; exit 0", "    echo 9",
                    "    exit 0\n}\nexit 0\nf() {"}),
            (std::vector<double>{1, 1, 0, 0}));
}

// In the form in which LiveCodeBench publishes them: private tests as JSON, or as base64 of a
// compressed pickle of JSON.
constexpr const char* kPickled =
    "eJxrYJnqxgABPU7R1UqZeQWlJUpWCkrRsTF5MUqVMUpKOgpK+"
    "aUlcGEQvyS1uKSksiAVJJJWmpdckpmfl5ijVBs7RQ8Agt0YIw==";

TEST(Programs, LiveCodeBenchComparesLinesOfPrograms) {
  SKIP_WITHOUT_SANDBOX();
  const auto item = parsed(
      R"({"starter_code":"","metadata":"{}","public_test_cases":"[{\"input\":\"3\\n1 2 3\\n\",\"output\":\"6\\n\",\"testtype\":\"stdin\"}]","private_test_cases":"[{\"input\":\"2\\n0.5 0.5\\n\",\"output\":\"1.00\\n\",\"testtype\":\"stdin\"}]"})");
  const char* const sum =
      "n = int(input())\nprint(sum(map(float, input().split())) if True else n)  ";
  EXPECT_EQ(passes("livecodebench", item,
                   fenced({sum,
                           "import sys\nif __name__ == '__main__':\n    sys.stdin.readline()\n    "
                           "t = sum(map(float, sys.stdin.readline().split()))\n    print(int(t))\n "
                           "   sys.exit(0)",
                           "print(6)", "import os\nos._exit(0)"}),
                   "chat"),
            (std::vector<double>{1, 1, 0, 0}));
}

TEST(Programs, LiveCodeBenchCallsFunctionsWithJsonArguments) {
  SKIP_WITHOUT_SANDBOX();
  const auto item = parsed(
      R"({"starter_code":"class Solution:\n    def pairs(self, a: List[int], b: str): ","metadata":"{\"func_name\": \"pairs\"}","public_test_cases":"[{\"input\":\"[1, 2]\\n\\\"x\\\"\",\"output\":\"[[1, \\\"x\\\"], [2, \\\"x\\\"]]\",\"testtype\":\"functional\"}]","private_test_cases":")" +
      std::string(kPickled) + R"("})");
  EXPECT_EQ(
      passes(
          "livecodebench", item,
          fenced(
              {"class Solution:\n    def pairs(self, a: List[int], b: str):\n        "
               "print('noise')\n        return [(i, b) for i in a]",
               "class Solution:\n    def pairs(self, a, b):\n        return [[1, 'x'], [2, 'x']]",
               "class Solution:\n    def other(self, a, b):\n        return []"}),
          "chat"),
      (std::vector<double>{1, 0, 0}));
}

}  // namespace
}  // namespace fathom::eval
