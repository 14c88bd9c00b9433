#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "io/json.h"
#include "tokenizer/chat/loose_form.h"
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
  return found ? found->chat_template->name : "";
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

// tools/make_wild_chat_golden.py has a second version of the loose form; its hashes must be ours.
TEST(RecogniseLoosely, HashesAreThoseOfTheGoldenScript) {
  const auto golden = value_or_throw(io::read_json(kGolden + "wild.json"));
  for (const std::string name : {"qwen2.5", "qwen3", "deepseek-r1", "deepseek-v3.1"}) {
    const auto form = chat_template_loose_form(read_file(kGolden + "templates/" + name + ".jinja"));
    ASSERT_TRUE(form);
    EXPECT_EQ(fnv1a(form->text),
              std::stoull(golden.find("loose_hashes")->find(name)->as_string(), nullptr, 16))
        << name;
  }
}

RecognisedChatTemplate found_in(const std::string& jinja) {
  const auto found = recognise_chat_template(jinja, "qwen2", "c.json");
  return found ? *found : RecognisedChatTemplate{find_chat_template("deepseek-v2"), {}};
}

TEST(RecogniseLoosely, ADefaultSystemTextIsTakenFromTheCheckpoint) {
  const std::string qwen = read_file(kGolden + "templates/qwen2.5.jinja");
  const std::string own = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.";
  EXPECT_EQ(found_in(qwen).chat_template->name, "qwen2.5");
  EXPECT_EQ(found_in(qwen).texts.default_system, std::nullopt);
  const auto changed = found_in(replaced(qwen, own, "I\\'m \"q\".\\nÜ"));
  EXPECT_EQ(changed.chat_template->name, "qwen2.5");
  EXPECT_EQ(changed.texts.default_system, "I'm \"q\".\nÜ");
  ChatRequest request;
  request.messages = {{"user", "q", {}, {}, {}}};
  request.texts = changed.texts;
  EXPECT_TRUE(chat_text(value_or_throw(render_chat(*changed.chat_template, request)))
                  .starts_with("<|im_start|>system\nI'm \"q\".\nÜ<|im_end|>\n<|im_start|>user"));
  // Kimi's stands outside tags.
  const auto kimi = chat_template_loose_form(
      "{% if x %}<|im_system|>system<|im_middle|>It's me.<|im_end|>{% endif %}");
  ASSERT_TRUE(kimi);
  EXPECT_EQ(kimi->default_system, "It's me.");
}

TEST(RecogniseLoosely, OfTwoThatDifferInThatTextAloneTheRightOne) {
  const auto chat_ml = [](const std::string& text) {
    return "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
           "{{ '<|im_start|>system\n" +
           text +
           "<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' + "
           "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
           "{{ '<|im_start|>assistant\n' }}{% endif %}";
  };
  for (const std::string_view name : {"smollm2", "qwen2"}) {
    const auto found =
        found_in(chat_ml(std::string(find_chat_template(name)->traits.default_system)));
    EXPECT_EQ(found.chat_template->name, name);
    EXPECT_EQ(found.texts.default_system, std::nullopt);
  }
  EXPECT_EQ(found_in(chat_ml("x")).chat_template->name, "qwen2");
  EXPECT_EQ(found_in(chat_ml("x")).texts.default_system, "x");
  EXPECT_EQ(found_in(chat_ml("")).texts.default_system, "");
}

TEST(RecogniseLoosely, HoweverTheSameIsSpelled) {
  const std::string qwen = read_file(kGolden + "templates/qwen2.5.jinja");
  for (const std::string& other :
       {replaced(qwen, "\n", "\r\n"), replaced(qwen, "messages[0]['role']", "messages[0].role"),
        replaced(qwen, "message.role", "message[\"role\"]"),
        replaced(qwen, "{{- '<|im_start|>assistant\\n' }}", "{{- \"<|im_start|>assistant\\n\" }}"),
        replaced(qwen, "'<|im_end|>' + '\\n'", "'<|im_end|>\\n'"),
        replaced(qwen, "{{- '\\n<tool_response>\\n' }}\n        {{- message.content }}",
                 "{{- '\\n<tool_response>\\n' + message.content }}"),
        replaced(qwen, "    {{- '<|im_start|>assistant\\n' }}\n{%- endif %}",
                 "    {{- '<|im_start|>' }}assistant\n{% endif %}")}) {
    EXPECT_EQ(found_in(other).chat_template->name, "qwen2.5") << other;
  }
}

TEST(RecogniseLoosely, DeepSeeksToo) {
  for (const std::string name : {"deepseek-r1", "deepseek-v3.1"}) {
    const std::string jinja = read_file(kGolden + "templates/" + name + ".jinja");
    EXPECT_EQ(recognised(replaced(jinja, "message['role']", "message.role")), name);
    EXPECT_EQ(recognised(replaced(jinja, "'content'", "\"content\"")), name);
  }
}

TEST(RecogniseLoosely, ButNotWithOtherWords) {
  const std::string qwen = read_file(kGolden + "templates/qwen2.5.jinja");
  for (const std::string& other :
       {replaced(qwen, "# Tools", "## Tools"), replaced(qwen, "not loop.first", "loop.first"),
        replaced(qwen, "| tojson }}\n            {{- '}", "}}\n            {{- '}"),
        replaced(qwen, "'<|im_start|>assistant\\n'", "'<|im_start|>assistant'"),
        replaced(qwen, "+ message.content +", "+ message.content if x else '' +"),
        replaced(qwen, "<|im_end|>\\n' }}\n    {%- endif", "<|im_end|>' }}\n    {%- endif")}) {
    const auto found = recognise_chat_template(other, "qwen2", "c.json");
    ASSERT_FALSE(found) << other;
    EXPECT_NE(found.error().message().find("it resembles qwen2.5"), std::string::npos)
        << found.error().message();
  }
}

// What looks like a sum of texts and is none must not be taken apart.
TEST(RecogniseLoosely, ConditionsAndFiltersStayWhole) {
  const auto form = [](std::string_view jinja) { return chat_template_loose_form(jinja)->text; };
  EXPECT_NE(form("{{ 'a' + x if c else y }}"), form("{{ 'a' }}{{ x if c else y }}"));
  EXPECT_NE(form("{{ ('a' + x) | trim }}"), form("{{ 'a' }}{{ x | trim }}"));
  EXPECT_EQ(form("{{ 'a' + x | trim + 'b' }}"), form("a{{ x|trim }}b"));
  EXPECT_EQ(form("{{ 'a' + m['k'] + \"b\\n\" }}"), form("a{{ m.k }}{{ 'b' }}\n\n"));
  EXPECT_NE(form("{{ m[k] }}"), form("{{ m.k }}"));
}

TEST(RecogniseLoosely, LlamasDateIsATextToo) {
  // The template is Meta's; only its hash is here, so this is a template of the same two anchors.
  const auto form = chat_template_loose_form(
      "{% set date_string = \"26 July 2024\" %}{{ \"Today: \" + date_string }}");
  ASSERT_TRUE(form);
  EXPECT_EQ(form->default_date, "26 July 2024");
  EXPECT_EQ(form->default_system, std::nullopt);
  EXPECT_EQ(form->text.find("July"), std::string::npos);
}

TEST(RecogniseLoosely, AHostileTemplateTakesNoTime) {
  for (const std::string part : {"<|im_start|>system\n", "{% set date_string='' %}",
                                 "<|im_system|>system<|im_middle|><|im_end|>", "{{m['k']+'a'}}"}) {
    std::string jinja;
    while (jinja.size() < (size_t{1} << 20) - 64) jinja += part;
    EXPECT_TRUE(chat_template_loose_form(jinja)) << part;
  }
}

// V3.2 publishes a Python encoder and no template.
TEST(RecogniseChatTemplate, WithoutOneByTheModelType) {
  EXPECT_EQ(
      value_or_throw(recognise_chat_template(std::nullopt, "deepseek_v32", "")).chat_template->name,
      "deepseek-v3.2");
}

}  // namespace
}  // namespace fathom::tokenizer
