// Of OpenCompass's loss-based prompts, by the configs of opencompass @ a5acc4b (ARC_e_ppl_a450bd
// and so on); its template parser puts each round of a base model's prompt on a line.
#include "eval/task/forms/test_forms.h"

namespace fathom::eval {
namespace {

INSTANTIATE_TEST_SUITE_P(
    OpenCompass, PublishedForms,
    ::testing::Values(
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
            0}),
    form_name);

}  // namespace
}  // namespace fathom::eval
