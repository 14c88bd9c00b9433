// Answers as the chat templates render them, which are proven against the published ones, read back
// from tokens.
#include "tokenizer/chat/answer/answer_reader.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tokenizer/byte_level.h"
#include "tokenizer/chat/answer/test_answers.h"
#include "tokenizer/test_files.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

using test_answers::all_marks;

/// The golden tokenizer, with the marks that its vocabulary lacks.
Tokenizer tokenizer_with(const std::vector<std::string_view>& marks) {
  TokenizerSpec spec = value_or_throw(parse_tokenizer_json(test_files::variant_json("v3"), "test"));
  i32 next = 0;
  for (const AddedToken& token : spec.added_tokens) next = std::max(next, token.id + 1);
  next = std::max(next, static_cast<i32>(spec.vocab.size()));
  for (const std::string_view mark : marks) {
    const auto is_mark = [&](const AddedToken& token) { return token.content == mark; };
    if (std::ranges::any_of(spec.added_tokens, is_mark)) continue;
    AddedToken added;
    added.id = next++;
    added.content = std::string(mark);
    spec.added_tokens.push_back(added);
  }
  return value_or_throw(Tokenizer::from_spec(std::move(spec), "test"));
}

std::vector<std::string_view> every_mark() {
  std::vector<std::string_view> marks(all_marks().begin(), all_marks().end());
  marks.insert(marks.end(), {kImStart, kImEnd, kOutputsBegin, kEndOfTurn});
  return marks;
}

const Tokenizer& with_tokens() {
  static const Tokenizer tokenizer = tokenizer_with(every_mark());
  return tokenizer;
}

struct Read {
  Answer answer;
  std::string shown;
};

Read read_ids(const ChatTemplate& chat_template, const Tokenizer& tokenizer,
              const AnswerOptions& options, const std::vector<i32>& ids, bool cut = false) {
  AnswerReader reader(chat_template, tokenizer, options);
  std::vector<AnswerPart> parts;
  for (const i32 id : ids) reader.push(id, parts);
  reader.finish(cut, parts);
  Read read{.answer = {}, .shown = test_answers::shown(parts)};
  for (const AnswerPart& part : parts) {
    EXPECT_EQ(valid_utf8_prefix_bytes(part.text), part.text.size());
    add(part, read.answer);
  }
  return read;
}

/// What a model of this template writes where the conversation has `answer`.
std::vector<Segment> rendered(const ChatTemplate& chat_template, const Message& answer) {
  ChatRequest request{.messages = {{.role = "user", .content = "q"}}};
  if (!answer.reasoning_content.empty() && chat_template.thinking != ThinkingSupport::kAlways) {
    request.thinking = Thinking::kOn;
  }
  const std::vector<Segment> prompt = value_or_throw(render_chat(chat_template, request));
  request.messages.push_back(answer);
  request.add_generation_prompt = false;
  std::vector<Segment> all = value_or_throw(render_chat(chat_template, request));
  size_t same = 0;
  while (same < prompt.size() && prompt[same] == all[same]) ++same;
  if (same < prompt.size() && all[same].kind == SegmentKind::kText &&
      all[same].text.starts_with(prompt[same].text)) {
    all[same].text.erase(0, prompt[same].text.size());
  }
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(same));
  const Segment end{SegmentKind::kToken, std::string(chat_template.end_of_turn)};
  all.erase(std::ranges::find(all, end), all.end());
  return all;
}

std::vector<Message> answers() {
  const ToolCall paris{.id = {}, .name = "weather", .arguments = R"({"city": "Paris", "days": 2})"};
  const ToolCall odd{.id = {},
                     .name = "f",
                     .arguments = R"({"a": "x \"y\"\n```\n</tool", "b": [1, {"c": null}]})"};
  const ToolCall none{.id = {}, .name = "g", .arguments = "{}"};
  std::vector<Message> all;
  for (const std::vector<ToolCall>& calls :
       {std::vector<ToolCall>{}, {paris}, {odd}, {none}, {paris, none}}) {
    for (const char* content : {"", "Let me see: <b>ü 😀</b>."}) {
      for (const char* thought : {"", "They ask for 天气.\n\nSo I call."}) {
        if (calls.empty() && *content == '\0') continue;
        all.push_back({.role = "assistant",
                       .content = content,
                       .reasoning_content = thought,
                       .tool_calls = calls});
      }
    }
  }
  return all;
}

/// Every byte of a text as a token of its own, so that characters are cut.
std::vector<i32> byte_ids(const Tokenizer& tokenizer, const std::vector<Segment>& segments) {
  std::vector<i32> ids;
  for (const Segment& segment : segments) {
    const bool is_token = segment.kind == SegmentKind::kToken;
    if (const auto id = tokenizer.token_to_id(segment.text); is_token && id) {
      ids.push_back(*id);
      continue;
    }
    for (const char c : segment.text) {
      ids.push_back(*tokenizer.token_to_id(spell_bytes(std::string(1, c))));
    }
  }
  return ids;
}

/// Whether the template has a form for it.
bool may_be_said(const ChatTemplate& chat_template, const Message& message) {
  ChatRequest trial{.messages = {{.role = "user", .content = "q"}, message}};
  const bool thinks = !message.reasoning_content.empty();
  if (thinks && !chat_template.traits.writes_thoughts) return false;
  if (thinks && chat_template.thinking != ThinkingSupport::kAlways) trial.thinking = Thinking::kOn;
  // Kimi's keeps the thoughts before calls alone.
  const bool drops = chat_template.dialect == ChatDialect::kKimiThinking;
  if (thinks && drops && message.tool_calls.empty()) return false;
  // Llama's writes text and each call in turns of their own.
  const bool is_mixed = message.tool_calls.size() + (message.content->empty() ? 0 : 1) > 1;
  if (chat_template.dialect == ChatDialect::kLlama31 && is_mixed) return false;
  // V2's answers begin with a space that its model writes.
  if (chat_template.dialect == ChatDialect::kPlainTurns) return false;
  return render_chat(chat_template, trial).has_value();
}

void expect_read(const ChatTemplate& chat_template, const Message& message) {
  const std::vector<Segment> segments = rendered(chat_template, message);
  SCOPED_TRACE(std::string(chat_template.name) + ": " + chat_text(segments));
  // V3.2's prompt opens the thought.
  const AnswerOptions options{.in_thought = !message.reasoning_content.empty() &&
                                            chat_template.dialect == ChatDialect::kDsml,
                              .tools = {"weather", "f", "g"}};
  const Read read =
      read_ids(chat_template, with_tokens(), options, encode_chat(with_tokens(), segments));
  EXPECT_EQ(read.answer.content, *message.content);
  EXPECT_EQ(read.answer.reasoning, message.reasoning_content);
  ASSERT_EQ(read.answer.tool_calls.size(), message.tool_calls.size());
  for (size_t i = 0; i < message.tool_calls.size(); ++i) {
    EXPECT_EQ(read.answer.tool_calls[i].name, message.tool_calls[i].name);
    EXPECT_EQ(read.answer.tool_calls[i].arguments, message.tool_calls[i].arguments);
  }
  EXPECT_EQ(read.answer.complete_calls, std::ssize(message.tool_calls));
  EXPECT_EQ(
      read_ids(chat_template, with_tokens(), options, byte_ids(with_tokens(), segments)).shown,
      read.shown);
  // A vocabulary that has no marks but those of thoughts spells the others.
  static const Tokenizer spelling = tokenizer_with({});
  EXPECT_EQ(read_ids(chat_template, spelling, options, encode_chat(spelling, segments)).shown,
            read.shown);
}

TEST(AnswerReader, ReadsWhatTheTemplatesWrite) {
  std::set<std::string_view> with_calls, with_thoughts;
  for (const ChatTemplate& chat_template : chat_templates()) {
    for (const Message& message : answers()) {
      if (!may_be_said(chat_template, message)) continue;
      expect_read(chat_template, message);
      if (!message.tool_calls.empty()) with_calls.insert(chat_template.name);
      if (!message.reasoning_content.empty()) with_thoughts.insert(chat_template.name);
    }
  }
  std::set<std::string_view> have_tools;
  for (const ChatTemplate& each : chat_templates()) {
    if (each.has_tools) have_tools.insert(each.name);
  }
  EXPECT_EQ(with_calls, have_tools);
  EXPECT_EQ(with_thoughts,
            (std::set<std::string_view>{"deepseek-v3.2", "qwen3", "kimi-k2-thinking"}));
}

std::vector<i32> plain(const std::string& text) {
  return with_tokens().encode(text, {.text = TextKind::kPlain});
}
std::vector<i32> operator+(std::vector<i32> a, const std::vector<i32>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
std::vector<i32> token(std::string_view mark) { return {*with_tokens().token_to_id(mark)}; }

TEST(AnswerReader, TextThatSpellsMarksIsText) {
  std::string all;
  for (const std::string_view mark : every_mark()) all += mark;
  for (const ChatTemplate& chat_template : chat_templates()) {
    const Read read =
        read_ids(chat_template, with_tokens(), {.tools = {"f"}}, plain("x" + all) + plain(all));
    EXPECT_EQ(read.shown, "[text]x" + all + all) << chat_template.name;
  }
}

TEST(AnswerReader, TokensOfTurnsAndPadsSayNothing) {
  const ChatTemplate& v31 = *find_chat_template("deepseek-v3.1");
  const Read read = read_ids(v31, with_tokens(), {.tools = {"f"}},
                             plain("a") + token(kUserTurn) + token(kBos) + plain("b") +
                                 token(kThinkEnd) + token(kCallEnd) + token(kImEnd) + plain("c"));
  EXPECT_EQ(read.shown, "[text]abc");
}

TEST(AnswerReader, SaysWhereItIs) {
  AnswerReader reader(*find_chat_template("deepseek-r1"), with_tokens(),
                      {.in_thought = true, .stop = {"stop", "xyz"}});
  std::vector<AnswerPart> parts;
  const auto push = [&](const std::vector<i32>& ids) {
    for (const i32 id : ids) reader.push(id, parts);
  };
  EXPECT_TRUE(reader.in_thought());
  push(plain("Hm stop."));
  EXPECT_TRUE(reader.in_thought());
  push(token(kThinkEnd));
  EXPECT_FALSE(reader.in_thought());
  push(plain("\n\nDo sto"));
  EXPECT_FALSE(reader.stopped());
  push(plain("p it."));
  EXPECT_TRUE(reader.stopped());
  EXPECT_EQ(reader.stop_text(), "stop");
  push(token(kCallsBegin) + plain("more"));
  reader.finish(false, parts);
  EXPECT_EQ(test_answers::shown(parts), "[think]Hm stop.[text]Do ");
}

TEST(AnswerReader, AnUnfinishedCharacterIsReplacedBeforeAMarkAndAtTheEnd) {
  const std::vector<i32> half = {*with_tokens().token_to_id(spell_bytes("\xF0")),
                                 *with_tokens().token_to_id(spell_bytes("\x9F"))};
  const Read read = read_ids(*find_chat_template("deepseek-v3.2"), with_tokens(),
                             {.in_thought = true}, half + token(kThinkEnd) + plain("a") + half);
  EXPECT_EQ(read.shown, "[think]\uFFFD[text]a\uFFFD");
}

}  // namespace
}  // namespace fathom::tokenizer
