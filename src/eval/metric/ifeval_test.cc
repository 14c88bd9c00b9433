// Each instruction followed and not followed.
#include "eval/metric/ifeval.h"

#include <gmock/gmock.h>

namespace fathom::eval {
namespace {

using ::testing::HasSubstr;

io::JsonValue item(const std::string& name, const std::string& settings) {
  return value_or_throw(io::parse_json(
      "{\"prompt\":\"p\",\"instruction_id_list\":[\"" + name + "\"],\"kwargs\":[" + settings + "]}",
      "item"));
}

bool follows(const char* name, const char* settings, const std::string& answer,
             bool loose = false) {
  return value_or_throw(followed_instructions(item(name, settings), answer, loose)).at(0);
}

TEST(IfEval, EachInstructionIsSeen) {
  struct Case {
    const char *name, *settings, *good, *bad;
  };
  const Case cases[] = {
      {"keywords:existence", R"({"keywords":["red","Blue"]})", "Redder and blue.", "only red"},
      {"keywords:frequency", R"({"keyword":"cat","frequency":2,"relation":"at least"})", "cat Cat",
       "cat"},
      {"keywords:frequency", R"({"keyword":"cat","frequency":2,"relation":"less than"})", "cat",
       "cat cat"},
      {"keywords:forbidden_words", R"({"forbidden_words":["cat"]})", "cats", "a Cat."},
      {"keywords:letter_frequency", R"({"letter":"e","let_frequency":2,"let_relation":"at least"})",
       "eE", "e"},
      {"language:response_language", R"({"language":"hi"})", "यह हिंदी है", "this is English"},
      {"language:response_language", R"({"language":"de"})", "das ist nicht der Hund und die Katze",
       "the cat is in it"},
      {"length_constraints:number_sentences", R"({"num_sentences":2,"relation":"at least"})",
       "One. Two!", "One"},
      {"length_constraints:number_words", R"({"num_words":3,"relation":"less than"})", "one two",
       "one two three"},
      {"length_constraints:number_paragraphs", R"({"num_paragraphs":2})", "a\n***\nb", "a\n\nb"},
      {"length_constraints:nth_paragraph_first_word",
       R"({"num_paragraphs":2,"nth_paragraph":2,"first_word":"so"})", "a\n\n\"So, b", "a\n\nb so"},
      {"detectable_content:number_placeholders", R"({"num_placeholders":2})", "[a] [b]", "[a]"},
      {"detectable_content:postscript", R"({"postscript_marker":"P.S."})", "x\nP. S. y", "x ps y"},
      {"detectable_content:postscript", R"({"postscript_marker":"P.P.S"})", "P.P.S y", "P.S. y"},
      {"detectable_format:number_bullet_lists", R"({"num_bullets":2})", "* a\n- b",
       "* a\n* b\n* c"},
      {"detectable_format:constrained_response", "{}", "My answer is no.", "no"},
      {"detectable_format:number_highlighted_sections", R"({"num_highlights":2})", "*a* *b*",
       "*a* * *"},
      {"detectable_format:multiple_sections", R"({"section_spliter":"Section","num_sections":2})",
       "Section 1\na\nSection 2\nb", "Section 1 a"},
      {"detectable_format:json_format", "{}", "```json\n{\"a\": 1}\n```", "{a: 1}"},
      {"detectable_format:title", "{}", "<<poem>> x", "<< >> <poem>"},
      {"combination:two_responses", "{}", "a\n******\nb", "a ****** a"},
      {"combination:repeat_prompt", R"({"prompt_to_repeat":"Say this."})", "say this. Done",
       "Done. Say this."},
      {"startend:end_checker", R"({"end_phrase":"The end."})", "x. the end.\"", "The end. x"},
      {"startend:quotation", "{}", "\"a\"", "\"a"},
      {"change_case:capital_word_frequency",
       R"({"capital_frequency":2,"capital_relation":"at least"})", "A BIG dog", "a BIG dog"},
      {"change_case:english_capital", "{}", "THE DOG IS HERE", "THE DOG is here"},
      {"change_case:english_lowercase", "{}", "the dog is here", "The dog is here"},
      {"punctuation:no_comma", "{}", "a b", "a, b"},
  };
  for (const Case& each : cases) {
    EXPECT_TRUE(follows(each.name, each.settings, each.good)) << each.name << ": " << each.good;
    EXPECT_FALSE(follows(each.name, each.settings, each.bad)) << each.name << ": " << each.bad;
    EXPECT_FALSE(follows(each.name, each.settings, " \n")) << each.name << ": nothing";
  }
}

TEST(IfEval, LooseLeavesOutFirstAndLastLineAndStars) {
  EXPECT_FALSE(follows("startend:quotation", "{}", "Sure, here it is:\n\"a\""));
  EXPECT_TRUE(follows("startend:quotation", "{}", "Sure, here it is:\n\"a\"", true));
  EXPECT_TRUE(follows("startend:quotation", "{}", "Sure:\n*\"a\"*\nBye", true));
}

TEST(IfEval, WrongItemsAreNamed) {
  const auto error = [](const std::string& name, const std::string& settings) {
    const auto made = followed_instructions(item(name, settings), "a", false);
    return made ? "no error" : made.error().message();
  };
  EXPECT_THAT(error("keywords:nothing", "{}"), HasSubstr("no instruction"));
  EXPECT_THAT(error("keywords:existence", "{}"),
              HasSubstr("keywords of keywords:existence is missing"));
  EXPECT_FALSE(followed_instructions(io::JsonObject(), "a", false));
}

}  // namespace
}  // namespace fathom::eval
