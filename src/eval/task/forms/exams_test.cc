// Exams: subjects with examples of their own.
#include <gmock/gmock.h>

#include <set>

#include "eval/task/forms/test_forms.h"

namespace fathom::eval {
namespace {

const char* const kMmluRow = "Why?,one,two,three,four,C\n";

INSTANTIATE_TEST_SUITE_P(
    Exams, PublishedForms,
    ::testing::Values(
        Form{"mmlu",
             "v3",
             {{"test/old_stones_test.csv", kMmluRow}, {"dev/old_stones_dev.csv", kMmluRow}},
             1,
             "The following are multiple choice questions (with answers) about old stones.\n\n"
             "Why?\nA. one\nB. two\nC. three\nD. four\nAnswer: C\n\n"
             "Why?\nA. one\nB. two\nC. three\nD. four\nAnswer:",
             {" A", " B", " C", " D"},
             2},
        Form{
            "mmlu_redux",
            "v3",
            {{"mmlu_redux/old_stones.jsonl",
              R"({"question":"Bad?","choices":["a","b","c","d"],"answer":0,"error_type":"no_correct_answer"})"
              "\n"
              R"({"question":"Why?","choices":["a","b","c","d"],"answer":3,"error_type":"ok"})"},
             {"mmlu/dev.jsonl",
              R"({"subject":"old_stones","question":"How?","choices":["e","f","g","h"],"answer":1})"}},
            1,
            "The following are multiple choice questions (with answers) about old stones.\n\n"
            "How?\nA. e\nB. f\nC. g\nD. h\nAnswer: B\n\nWhy?\nA. a\nB. b\nC. c\nD. d\nAnswer:",
            {" A", " B", " C", " D"},
            3},
        Form{
            "mmlu_pro",
            "v3",
            {{"mmlu_pro/test.jsonl",
              R"({"question_id":1,"question":"Why?","options":["a "," b","c"],"answer":"C","answer_index":2,"category":"law"})"},
             {"mmlu_pro/validation.jsonl", ""}},
            0,
            "The following are multiple choice questions (with answers) about law.\n\n"
            "Why?\nA. a\nB. b\nC. c\nAnswer:",
            {" A", " B", " C"},
            2},
        Form{
            "mmlu_pro_cot",
            "lm-eval",
            {{"mmlu_pro/test.jsonl",
              R"({"question":"Why?","options":["a","b"],"answer":"B","answer_index":1,"category":"law"})"},
             {"mmlu_pro/validation.jsonl",
              R"({"question":"How?","options":["c"],"answer":"A","answer_index":0,"category":"law","cot_content":"A: Let's think step by step. So. The answer is (A)."})"}},
            1,
            "The following are multiple choice questions (with answers) about law. Think step by "
            "step and then "
            "finish your answer with \"the answer is (X)\" where X is the correct letter choice.\n"
            "Question:\nHow?\nOptions:\nA. c\nAnswer: Let's think step by step. So. The answer is "
            "(A).\n\n"
            "Question:\nWhy?\nOptions:\nA. a\nB. b\nAnswer: Let's think step by step.",
            {"B"}},
        Form{"mmmlu",
             "v3",
             {{"mmmlu/mmlu_DE-DE.csv",
               ",Question,A,B,C,D,Answer,Subject\n0,Wer?,a,b,c,d,B,old_law\n"
               "1,Wo?,e,f,g,h,A,old_law\n"}},
             1,
             "The following are multiple choice questions (with answers) about old law.\n\n"
             "Wo?\nA. e\nB. f\nC. g\nD. h\nAnswer: A\n\nWer?\nA. a\nB. b\nC. c\nD. d\nAnswer:",
             {" A", " B", " C", " D"},
             1},
        Form{"ceval",
             "v3",
             {{"ceval/val/law_val.csv", "id,question,A,B,C,D,answer\n0,问？,一,二,三,四,D\n"},
              {"ceval/dev/law_dev.csv",
               "id,question,A,B,C,D,answer,explanation\n0,例？,五,六,七,八,A,因为\n"}},
             1,
             "以下是中国关于法学考试的单项选择题，请选出其中的正确答案。\n例？\nA. 五\nB. 六\nC. "
             "七\nD. 八\n答案： A\n\n"
             "问？\nA. 一\nB. 二\nC. 三\nD. 四\n答案：",
             {" A", " B", " C", " D"},
             3},
        Form{"cmmlu",
             "v3",
             {{"cmmlu/test/agronomy.csv", ",Question,A,B,C,D,Answer\n0,问？,一,二,三,四,B\n"},
              {"cmmlu/dev/agronomy.csv", ",Question,A,B,C,D,Answer\n"}},
             0,
             "以下是关于农学的单项选择题，请直接给出正确答案的选项。\n题目：问？\nA. 一\nB. 二\nC. "
             "三\nD. 四\n答案是：",
             {" A", " B", " C", " D"},
             1}),
    form_name);

TEST(Gpqa, OptionsAreInAnOrderOfTheItem) {
  const fs::path folder = fs::path(::testing::TempDir()) / "forms_gpqa";
  fs::create_directories(folder);
  std::ofstream(folder / "gpqa_diamond.csv")
      << "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer "
         "3\nWhy?,r,x,y,z\n"
         "How?,r,x,y,z\nWho?,r,x,y,z\nWhere?,r,x,y,z\n";
  const auto tasks = value_or_throw(
      build_tasks(value_or_throw(load_task("gpqa_diamond")), {.data = folder, .preset = "v3"}));
  std::set<std::string> places;
  for (const Item& item : tasks[0].items) {
    const std::string right = item.target.as_string() + ") r";
    EXPECT_THAT(item.prompt, ::testing::HasSubstr(right));
    places.insert(right);
  }
  EXPECT_GT(places.size(), 1u) << "not always the same letter";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fathom::eval
