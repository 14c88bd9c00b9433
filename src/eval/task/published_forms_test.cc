// Sets that may not be passed on, in the form in which their owners publish them: items of our own,
// and the prompts that they become.
#include <gmock/gmock.h>

#include <algorithm>
#include <fstream>
#include <set>

#include "eval/task/items.h"
#include "eval/task/task_file.h"
#include "eval/text/python_json.h"

namespace fathom::eval {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

struct File {
  const char* name;
  const char* text;
};

struct Form {
  const char* task;
  const char* preset;
  std::vector<File> files;
  i64 shots = 0;
  const char* prompt;              // of the first item
  std::vector<const char*> texts;  // its options, or the right answers
  i64 gold = 0;
};

/// By its name: gtest would print the bytes of the pointers.
void PrintTo(const Form& form, std::ostream* out) { *out << form.task << " " << form.preset; }

/// Of a task's first item.
class PublishedForms : public ::testing::TestWithParam<Form> {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ("forms_" + std::string(GetParam().task) + GetParam().preset);
    fs::remove_all(folder_);
    for (const File& file : GetParam().files) {
      fs::create_directories((folder_ / file.name).parent_path());
      std::ofstream(folder_ / file.name) << file.text;
    }
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_P(PublishedForms, BecomePrompts) {
  const Form& form = GetParam();
  const TaskSpec spec = value_or_throw(load_task(form.task));
  const auto tasks =
      build_tasks(spec, {.data = folder_, .preset = form.preset, .shots = form.shots});
  ASSERT_TRUE(tasks) << tasks.error().message();
  const Item& item = tasks->front().items.front();
  EXPECT_EQ(item.prompt, form.prompt);
  std::vector<std::string> texts;
  for (const ContextAndText& option : item.options) texts.push_back(option.text);
  if (texts.empty() && item.target.is_array()) {
    for (const io::JsonValue& each : item.target.as_array()) texts.push_back(python_str(each));
  } else if (texts.empty()) {
    texts.push_back(item.target.as_string());
  }
  EXPECT_EQ(texts, std::vector<std::string>(form.texts.begin(), form.texts.end()));
  EXPECT_EQ(item.gold, form.gold);
}

const char* const kMmluRow = "Why?,one,two,three,four,C\n";

INSTANTIATE_TEST_SUITE_P(
    AllSets, PublishedForms,
    ::testing::Values(
        Form{
            "arc_challenge",
            "lm-eval",
            {{"ARC-Challenge-Test.jsonl",
              R"({"id":"x","question":{"stem":"Why?","choices":[{"text":"p","label":"1"},{"text":"q","label":"2"}]},"answerKey":"2"})"},
             {"ARC-Challenge-Train.jsonl", ""}},
            0,
            "Question: Why?\nAnswer:",
            {" p", " q"},
            1},
        Form{"piqa",
             "v3",
             {{"piqa/valid.jsonl", R"({"goal":"go","sol1":"p","sol2":"q","label":1})"}},
             0,
             "go",
             {" p", " q"},
             1},
        Form{
            "hellaswag",
            "lm-eval",
            {{"hellaswag_val.jsonl",
              R"({"ind":1,"activity_label":"Act","ctx_a":"A [x]b.","ctx_b":"the [title] End","endings":["e [step] f","g"],"label":"1"})"},
             {"hellaswag_train.jsonl", ""}},
            0,
            "Act: A b. The. end",
            {" e f", " g"},
            1},
        Form{"winogrande",
             "lm-eval",
             {{"winogrande/dev.jsonl",
               R"({"sentence":"A saw B so _ ran.","option1":"A","option2":"B","answer":"2"})"},
              {"winogrande/train_xl.jsonl",
               R"({"sentence":"C met D and _ left.","option1":"C","option2":"D","answer":"1"})"
               "\n"
               R"({"sentence":"C met D and _ left.","option1":"C","option2":"D","answer":"1"})"}},
             1,
             "C met D and C left.\n\nA saw B so A",
             {" ran.", " ran."},
             1},
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
             1},
        Form{
            "race_high",
            "v3",
            {{"RACE/test/high/1.txt",
              R"({"article":"Long.","questions":["Who?","Why?"],"options":[["a","b","c","d"],["e","f","g","h"]],"answers":["B","D"],"id":"1"})"}},
            5,
            "Article: Long.\nQ: Why?\nA: h\nQ: Who?\nA:",
            {" a", " b", " c", " d"},
            1},
        Form{
            "c3",
            "v3",
            {{"c3/c3-m-test.json",
              R"([[["第一行","第二行"],[{"question":"问？","choice":["甲","乙"],"answer":"乙"}],"1-1"]])"}},
            0,
            "第一行\n第二行\n请根据上文回答问题：\n问？\n答案：",
            {"甲", "乙"},
            1},
        Form{
            "c3",
            "opencompass",
            {{"c3/c3-d-test.json",
              R"([[["男：一","女：二"],[{"question":"问？","choice":["甲","乙"],"answer":"乙"}],"1-1"]])"}},
            0,
            "文章：男：一 女：二\n问题：问？\n答案：",
            {"文章：男：一 女：二\n问题：问？\n答案：甲",
             "文章：男：一 女：二\n问题：问？\n答案：乙"},
            1},
        // By the configs of opencompass @ a5acc4b (ARC_e_ppl_a450bd and so on); its template parser
        // puts each round of a base model's prompt on a line.
        Form{
            "arc_easy",
            "opencompass",
            {{"ARC-Easy-Test.jsonl",
              R"({"id":"1","question":{"stem":"Why?","choices":[{"text":"so","label":"A"},{"text":"no","label":"B"}]},"answerKey":"B"})"},
             {"ARC-Easy-Train.jsonl", ""}},
            0,
            "Question: Why?\nAnswer: \n",
            {"Question: Why?\nAnswer: \nso", "Question: Why?\nAnswer: \nno"},
            1},
        Form{"piqa",
             "opencompass",
             {{"piqa/valid.jsonl", R"({"goal":"Boil","sol1":"heat","sol2":"cool","label":"0"})"}},
             0,
             "The following makes sense: \nQ: Boil\nA: ",
             {"The following makes sense: \nQ: Boil\nA: heat\n",
              "The following makes sense: \nQ: Boil\nA: cool\n"},
             0},
        Form{
            "hellaswag",
            "opencompass",
            {{"hellaswag/validation_1000.jsonl",
              R"({"query":"Roof: Step one: a man: sits","choices":["he falls","he flies"],"gold":1})"}},
            0,
            "a man: sits\n",
            {"a man: sits\nhe falls", "a man: sits\nhe flies"},
            1},
        Form{
            "siqa",
            "opencompass",
            {{"socialiqa/dev.jsonl",
              R"({"context":"Al ran.","question":"Why?","answerA":"a","answerB":"b","answerC":"c","label":"3"})"},
             {"socialiqa/train.jsonl", ""}},
            0,
            "Al ran.\nQuestion: Why?\nAnswer:\n",
            {"Al ran.\nQuestion: Why?\nAnswer:\na", "Al ran.\nQuestion: Why?\nAnswer:\nb",
             "Al ran.\nQuestion: Why?\nAnswer:\nc"},
            2},
        Form{
            "copa",
            "opencompass",
            {{"COPA/val.jsonl",
              R"({"premise":"It rained.","choice1":"Wet.","choice2":"Dry.","question":"effect","label":0})"},
             {"COPA/train.jsonl", ""}},
            0,
            "It rained.\nQuestion: What may be the effect?\nAnswer:\n",
            {"It rained.\nQuestion: What may be the effect?\nAnswer:\nWet.",
             "It rained.\nQuestion: What may be the effect?\nAnswer:\nDry."},
            0},
        Form{"boolq",
             "opencompass",
             {{"BoolQ/val.jsonl", R"({"passage":"It is.","question":"is it","label":true})"},
              {"BoolQ/train.jsonl", ""}},
             0,
             "It is.\nQuestion: is it?\n",
             {"It is.\nQuestion: is it?\nNo", "It is.\nQuestion: is it?\nYes"},
             1},
        Form{
            "openbookqa",
            "opencompass",
            {{"openbookqa/test.jsonl",
              R"({"question":{"stem":"What","choices":[{"text":"x","label":"A"},{"text":"y","label":"B"}]},"answerKey":"A"})"},
             {"openbookqa/train.jsonl", ""}},
            0,
            "Question: What\nA. x\nB. y\nAnswer:\n",
            {"Question: What\nA. x\nB. y\nAnswer:\nA", "Question: What\nA. x\nB. y\nAnswer:\nB"},
            0},
        Form{"ccpm",
             "v3",
             {{"ccpm/valid.jsonl", R"({"translation":"今天","choices":["甲","乙"],"answer":1})"}},
             0,
             "以下是将某句古诗文翻译而成的现代表述：今天\n该翻译所对应的古诗文是：",
             {"甲", "乙"},
             1},
        Form{
            "cluewsc",
            "v3",
            {{"cluewsc/dev.json",
              R"({"target":{"span1_text":"他","span2_text":"它","span1_index":0,"span2_index":3},"text":"没有","label":"false"})"
              "\n"
              R"({"target":{"span1_text":"小明","span2_text":"他","span1_index":0,"span2_index":3},"text":"小明说他来","label":"true"})"},
             {"cluewsc/train.json", ""}},
            0,
            "小明说他来\n上面的句子中的\"他\"指的是",
            {"小明"}},
        Form{"nq_open",
             "lm-eval",
             {{"NQ-open.dev.jsonl", R"({"question":"who is it","answer":["A","B"]})"},
              {"NQ-open.train.jsonl", R"({"question":"where","answer":["C"]})"
                                      "\n"
                                      R"({"question":"where","answer":["C"]})"}},
             1,
             "Answer these questions:\n\nQ: where?\nA: C\nQ: who is it?\nA:",
             {"A", "B"}},
        Form{
            "drop",
            "v3",
            {{"drop_dataset/drop_dataset_dev.json",
              R"({"p1":{"passage":"Text.","qa_pairs":[{"question":"How many?","answer":{"number":"3","date":{},"spans":[]},"validated_answers":[]},
                  {"question":"Who?","answer":{"number":"","date":{},"spans":["X","Y"]},"validated_answers":[]}]}})"}},
            3,
            "Passage: Text.\nAnswer the following questions based on the above passage, please "
            "calculate carefully "
            "if calculation is necessary.\nQ: Who?\nA: So according to above Passage, the answer "
            "is X, Y.\nQ: How many?\nA:",
            {"['3']"}},
        Form{"math500",
             "v3",
             {{"math_splits/test.jsonl", R"({"problem":"1+1?","answer":"2"})"}},
             0,
             "1+1?\nPlease reason step by step, and put your final answer within \\boxed{}.",
             {"2"}},
        Form{
            "cmrc2018",
            "v3",
            {{"cmrc2018_dev.json",
              R"({"data":[{"paragraphs":[{"context":"文","qas":[{"question":"谁？","answers":[{"text":"甲"}]},{"question":"何？","answers":[{"text":"乙"}]}]}]}]})"}},
            1,
            "文章：文\n根据上文回答下面的问题。\n问题：何？\n答案：乙\n问题：谁？\n答案：",
            {"甲"}},
        Form{"lambada_openai",
             "lm-eval",
             {{"lambada_test.jsonl", R"({"text":"one two  three"})"}},
             0,
             "one two ",
             {" three"}},
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
            "siqa",
            "lm-eval",
            {{"socialiqa/dev.jsonl",
              R"({"context":"C.","question":"Q?","answerA":"a","answerB":"b","answerC":"c","label":"3"})"},
             {"socialiqa/train.jsonl", ""}},
            0,
            "Q: C. Q?\nA:",
            {" a", " b", " c"},
            2},
        Form{
            "copa",
            "lm-eval",
            {{"COPA/val.jsonl",
              R"({"premise":"It fell.","choice1":"It broke.","choice2":"It flew.","question":"effect","label":0})"},
             {"COPA/train.jsonl", ""}},
            0,
            "It fell therefore",
            {"  it broke.", "  it flew."},
            0},
        Form{"simpleqa",
             "v3",
             {{"simple_qa_test_set.csv",
               "metadata,problem,answer\n\"{'topic': 'X', 'urls': ['a', 'b']}\",Who?,Ada\n"}},
             0,
             "Who?",
             {"Ada"}},
        Form{
            "alpaca_eval",
            "v3",
            {{"alpaca_eval_gpt4_baseline.json",
              R"([{"dataset":"helpful_base","instruction":"Say hi.","output":"Hi!","generator":"g"}])"}},
            0,
            "Say hi.",
            {"Hi!"}},
        Form{
            "arena_hard",
            "v3",
            {{"arena-hard-v0.1/question.jsonl",
              R"({"question_id":"1","category":"arena-hard-v0.1","cluster":"c","turns":[{"content":"Sort."}],"baseline":"Done."})"}},
            0,
            "Sort.",
            {"Done."}},
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
    [](const ::testing::TestParamInfo<Form>& each) {
      std::string name = std::string(each.param.task) + "_" + each.param.preset;
      std::ranges::replace(name, '-', '_');
      return name;
    });

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
    EXPECT_THAT(item.prompt, HasSubstr(right));
    places.insert(right);
  }
  EXPECT_GT(places.size(), 1u) << "not always the same letter";
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fathom::eval
