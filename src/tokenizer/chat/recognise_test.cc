#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "io/json.h"
#include "tokenizer/chat/normal_form.h"
#include "tokenizer/chat/template.h"

namespace fathom::tokenizer {
namespace {

const std::string kGolden = FATHOM_SOURCE_DIR "/tests/golden/chat/";

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  EXPECT_NE(text.find(from), std::string::npos) << from;
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::string_view recognised(std::string_view jinja) {
  const auto found = recognise_chat_template(jinja, "deepseek_v3", "tokenizer_config.json");
  return found ? (*found)->name : "";
}

TEST(ChatNormalForm, KeepsWhatRenders) {
  const struct {
    std::string_view jinja, expected;
  } kCases[] = {
      {"", ""},
      {"a b\n", "a b"},
      {"{{ bos_token }}", "{{bos_token}}"},
      {"{{-x -}}  y", "{{x}}y"},
      {"a  {{- x }}  b", "a{{x}}  b"},
      {"{% if a  ==  'b  c' %} d", "{%ifa=='b  c'%} d"},
      {"{{ 'a\nb' + \"c\\nd\" }}", "{{'a\\nb'+\"c\\nd\"}}"},
      {"{{ 'it\\'s }} %}' }}", "{{'it\\'s }} %}'}}"},
      // trim_blocks eats the newline behind a block, lstrip_blocks the indent before one.
      {"{% a %}\nx\n  {% b %}\n\ty", "{%a%}x\n{%b%}\ty"},
      {"x  {% a %}", "x  {%a%}"},
      {"  {% a %}  {% b %}", "{%a%}  {%b%}"},
      {"{% a %}\n  {% b %}", "{%a%}{%b%}"},
      {"{{ a }}\n  {{ b }}", "{{a}}\n  {{b}}"},
      {"a{# it's %} {{ #}b", "ab"},
      {"{ % {x} # }", "{ % {x} # }"},
  };
  for (const auto& each : kCases) {
    EXPECT_EQ(chat_template_normal_form(each.jinja), each.expected) << each.jinja;
  }
}

TEST(ChatNormalForm, RefusesWhatIsNotClosed) {
  for (const std::string_view jinja :
       {"{%", "{{ x", "{# x", "{{ 'x }}", "a {% \"b %}", "{{ 'x\\"}) {
    EXPECT_EQ(chat_template_normal_form(jinja), std::nullopt) << jinja;
    EXPECT_EQ(recognised(jinja), "");
  }
}

// tools/make_chat_golden.py has a second version of the normal form; its hashes must be ours.
TEST(RecogniseChatTemplate, HashesAreThoseOfTheGoldenScript) {
  const auto golden = value_or_throw(io::read_json(kGolden + "rendered.json"));
  for (const std::string name : {"deepseek-r1", "deepseek-v3.1"}) {
    const auto hash = chat_template_hash(read_file(kGolden + "templates/" + name + ".jinja"));
    ASSERT_TRUE(hash);
    EXPECT_EQ(*hash,
              std::stoull(golden.find("template_hashes")->find(name)->as_string(), nullptr, 16));
  }
}

TEST(RecogniseChatTemplate, WhateverItsLayout) {
  for (const std::string name : {"deepseek-r1", "deepseek-v3.1"}) {
    const std::string jinja = read_file(kGolden + "templates/" + name + ".jinja");
    EXPECT_EQ(recognised(jinja), name);
    EXPECT_EQ(recognised(jinja + "\n"), name);
    EXPECT_EQ(recognised(replaced(jinja, "\\n", "\n")), name) << "newlines not escaped";
    EXPECT_EQ(recognised(replaced(jinja, "{%- endif %}", "{%- endif -%}\n  ")), name);
    EXPECT_EQ(recognised(replaced(jinja, " + ", "+")), name);
    EXPECT_EQ(recognised("{# a comment #}" + jinja), name);
  }
}

TEST(RecogniseChatTemplate, ButNotWithOtherWords) {
  const std::string r1 = read_file(kGolden + "templates/deepseek-r1.jinja");
  EXPECT_EQ(recognised(replaced(r1, "<think>\\n'", "'")), "deepseek-r1-plain");
  EXPECT_EQ(recognised(replaced(r1, "<think>\\n'", "<think>'")), "");
  EXPECT_EQ(recognised(replaced(r1, "[-1]", "[0]")), "");
  EXPECT_EQ(recognised(replaced(r1, "{{ bos_token }}", "{{ bos_token }} ")), "");
  EXPECT_EQ(recognised(""), "");
}

TEST(RecogniseChatTemplate, ErrorsNameTheBuiltInOnes) {
  const std::string jinja = read_file(kGolden + "templates/deepseek-v3.1.jinja") + "!";
  const auto found = recognise_chat_template(jinja, "deepseek_v3", "DIR/tokenizer_config.json");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(found.error().message().starts_with(
      "DIR/tokenizer_config.json: chat_template: not a template that is built in (it resembles "
      "deepseek-v3.1)"))
      << found.error().message();
  for (const ChatTemplate& chat_template : chat_templates()) {
    EXPECT_NE(found.error().message().find(chat_template.name), std::string::npos);
  }
  const auto none = recognise_chat_template(std::nullopt, "llama", "DIR");
  ASSERT_FALSE(none);
  EXPECT_TRUE(none.error().message().starts_with("DIR: the checkpoint has no chat template"));
  EXPECT_FALSE(recognise_chat_template(std::string(size_t{2} << 20, 'x'), "", "DIR"));
}

// V3.2 publishes a Python encoder and no template.
TEST(RecogniseChatTemplate, WithoutOneByTheModelType) {
  EXPECT_EQ(value_or_throw(recognise_chat_template(std::nullopt, "deepseek_v32", ""))->name,
            "deepseek-v3.2");
}

}  // namespace
}  // namespace fathom::tokenizer
