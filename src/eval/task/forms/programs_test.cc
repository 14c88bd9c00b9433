// Programs.
#include "eval/task/forms/test_forms.h"

namespace fathom::eval {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Programs, PublishedForms,
    ::testing::Values(
        Form{
            "humaneval",
            "v3",
            {{"HumanEval.jsonl.gz",
              R"({"task_id":"H/0","prompt":"def f():\n    \"\"\"One.\"\"\"\n","entry_point":"f","canonical_solution":"    return 1\n","test":"def check(f): assert f() == 1"})"}},
            0,
            "def f():\n    \"\"\"One.\"\"\"",
            {"    return 1\n"}},
        Form{
            "mbpp",
            "v3",
            {{"mbpp/mbpp.jsonl",
              R"json({"task_id":2,"text":"Two.","code":"def g():\r\n  return 2","test_list":["assert g() == 2"],"test_setup_code":""})json"
              "\n"
              R"json({"task_id":11,"text":"One.","code":"def f(): return 1","test_list":["assert f() == 1","assert f()"],"test_setup_code":""})json"}},
            1,
            "You are an expert Python programmer, and here is your task: Two. Your code should "
            "pass these tests:\n\n"
            "assert g() == 2\n[BEGIN]\ndef g():\n  return 2\n[DONE]\n\n"
            "You are an expert Python programmer, and here is your task: One. Your code should "
            "pass these tests:\n\n"
            "assert f() == 1\nassert f()\n[BEGIN]\n",
            {"def f(): return 1\n[DONE]"}},
        Form{
            "multipl_e",
            "v3",
            {{"multipl-e/humaneval-cpp.jsonl",
              R"({"name":"HumanEval_0","language":"cpp","prompt":"int f() {\n","tests":"}\nint main() {}","stop_tokens":["\n}"]})"}},
            0,
            "int f() {\n",
            {"}\nint main() {}"}},
        Form{
            "livecodebench",
            "v3",
            {{"livecodebench/test.jsonl",
              R"({"question_content":"Double it.","starter_code":"class Solution:\n    def f(self): ","question_id":"7","public_test_cases":"[]","private_test_cases":"[]","metadata":"{}"})"},
             {"livecodebench/stdin.json",
              R"([{"question":"Read.","sample_code":"","answer":"no"}])"},
             {"livecodebench/func.json",
              R"([{"question":"Add.","sample_code":"class S:","answer":"yes"}])"}},
            1,
            "### Question\nAdd.\n\n### Starter Code\nclass S:\n\n### Answer\n\nyes\n\n"
            "### Question\nDouble it.\n\n### Starter Code\nclass Solution:\n    def f(self): \n\n"
            "### Answer\n\n",
            {"7"}}),
    form_name);

}  // namespace
}  // namespace fathom::eval
