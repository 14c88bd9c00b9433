// Answers that are generated, or one continuation.
#include "eval/task/forms/test_forms.h"

namespace fathom::eval {
namespace {

INSTANTIATE_TEST_SUITE_P(
    Answers, PublishedForms,
    ::testing::Values(
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
            {"Done."}}),
    form_name);

}  // namespace
}  // namespace fathom::eval
