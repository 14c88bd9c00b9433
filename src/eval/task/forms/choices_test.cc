// Multiple choices.
#include "eval/task/forms/test_forms.h"

namespace fathom::eval {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Choices, PublishedForms,
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
        Form{"ccpm",
             "v3",
             {{"ccpm/valid.jsonl", R"({"translation":"今天","choices":["甲","乙"],"answer":1})"}},
             0,
             "以下是将某句古诗文翻译而成的现代表述：今天\n该翻译所对应的古诗文是：",
             {"甲", "乙"},
             1},
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
            0}),
    form_name);

}  // namespace
}  // namespace fathom::eval
