// What a model learns of a conversation. A sample is written as text with « » around what is
// supervised; what stands inside was written down by hand from the published templates.
#include "posttrain/sft/supervised_chat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fathom::posttrain {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tokenizer::ChatRequest;
using tokenizer::Message;

Message message(std::string role, std::string content) {
  Message m;
  m.role = std::move(role);
  m.content = std::move(content);
  return m;
}
Message thinking(std::string thought, std::string content) {
  Message m = message("assistant", std::move(content));
  m.reasoning_content = std::move(thought);
  return m;
}

std::vector<std::string> shown(const std::vector<std::vector<Piece>>& samples) {
  std::vector<std::string> texts;
  for (const std::vector<Piece>& pieces : samples) {
    std::string& text = texts.emplace_back();
    for (const Piece& piece : pieces) {
      const std::string part = tokenizer::chat_text(piece.segments);
      text += piece.supervised ? "«" + part + "»" : part;
    }
  }
  return texts;
}

std::vector<std::string> samples(const char* name, std::vector<Message> messages,
                                 std::vector<bool> trained = {}) {
  ChatRequest request;
  request.messages = std::move(messages);
  trained.resize(request.messages.size(), true);
  const auto result = supervise_chat(*tokenizer::find_chat_template(name), request, trained);
  if (!result) return {"refused: " + result.error().message()};
  return shown(*result);
}

const std::vector<Message>& two_turns() {
  static const std::vector<Message> kTurns = {message("system", "S"), message("user", "a"),
                                              message("assistant", "b"), message("user", "c"),
                                              message("assistant", "d")};
  return kTurns;
}

TEST(SupervisedChat, EveryTurnToItsEndTokenInOneSample) {
  EXPECT_THAT(
      samples("deepseek-v3", two_turns()),
      ElementsAre("<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜>«b<｜end▁of▁sentence｜>»"
                  "<｜User｜>c<｜Assistant｜>«d<｜end▁of▁sentence｜>»"));
  // </think> comes with the generation prompt and is not learnt.
  EXPECT_THAT(samples("deepseek-v3.1", two_turns()),
              ElementsAre("<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜></think>«b"
                          "<｜end▁of▁sentence｜>»<｜User｜>c<｜Assistant｜></think>«d"
                          "<｜end▁of▁sentence｜>»"));
  // The line break behind ChatML's end token is the next turn's context, and nothing at the end.
  EXPECT_THAT(samples("qwen2.5", two_turns()),
              ElementsAre("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n"
                          "<|im_start|>assistant\n«b<|im_end|>»\n<|im_start|>user\nc<|im_end|>\n"
                          "<|im_start|>assistant\n«d<|im_end|>»"));
}

TEST(SupervisedChat, ATurnWithoutLossIsContext) {
  EXPECT_THAT(samples("deepseek-v3", two_turns(), {true, true, false, true, true}),
              ElementsAre("<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜>"
                          "<｜User｜>c<｜Assistant｜>«d<｜end▁of▁sentence｜>»"));
  EXPECT_THAT(samples("deepseek-v3", two_turns(), {true, true, true, true, false}),
              ElementsAre("<｜begin▁of▁sentence｜>S<｜User｜>a<｜Assistant｜>«b"
                          "<｜end▁of▁sentence｜>»"));
  EXPECT_THAT(samples("deepseek-v3", two_turns(), {false, false, false, false, false}),
              ElementsAre(HasSubstr("no assistant's message that is to be learnt")));
}

// R1 opens the thought with the prompt and drops it from what it stores, so turns part.
TEST(SupervisedChat, ThoughtsAsTheModelWritesThem) {
  EXPECT_THAT(samples("deepseek-r1", {message("user", "a"), thinking("hm\n", "\n\nb")}),
              ElementsAre("<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜><think>\n"
                          "«hm\n</think>\n\nb<｜end▁of▁sentence｜>»"));
  EXPECT_THAT(
      samples("deepseek-r1", {message("user", "a"), thinking("hm\n", "b"), message("user", "c"),
                              thinking("so\n", "d")}),
      ElementsAre(
          "<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜><think>\n«hm\n</think>b"
          "<｜end▁of▁sentence｜>»",
          "<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜>b<｜end▁of▁sentence｜><｜User｜>c"
          "<｜Assistant｜><think>\n«so\n</think>d<｜end▁of▁sentence｜>»"));
  EXPECT_THAT(samples("deepseek-v3.1", {message("user", "a"), thinking("hm", "b")}),
              ElementsAre("<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜><think>«hm</think>b"
                          "<｜end▁of▁sentence｜>»"));
  // Qwen3 writes <think> itself, and drops it from turns before the last question.
  EXPECT_THAT(
      samples("qwen3", {message("user", "a"), thinking("hm", "b"), message("user", "c"),
                        thinking("so", "d")}),
      ElementsAre(
          "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n«<think>\nhm\n</think>\n\nb"
          "<|im_end|>»",
          "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
          "<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n«<think>\nso\n</think>\n\nd"
          "<|im_end|>»"));
}

TEST(SupervisedChat, CallsAreLearntAndResultsAreNot) {
  Message call;
  call.role = "assistant";
  call.tool_calls = {{"", "add", R"({"x":1})"}};
  Message result = message("tool", "7");
  EXPECT_THAT(
      samples("deepseek-v3.1", {message("user", "a"), call, result, message("assistant", "b")}),
      ElementsAre("<｜begin▁of▁sentence｜><｜User｜>a<｜Assistant｜></think>«<｜tool▁calls▁begin｜>"
                  "<｜tool▁call▁begin｜>add<｜tool▁sep｜>{\"x\":1}<｜tool▁call▁end｜>"
                  "<｜tool▁calls▁end｜><｜end▁of▁sentence｜>»<｜tool▁output▁begin｜>7"
                  "<｜tool▁output▁end｜>«b<｜end▁of▁sentence｜>»"));
}

TEST(SupervisedChat, RefusesWhatCannotBeLearnt) {
  EXPECT_THAT(samples("deepseek-r1", {message("user", "a"), message("assistant", "b")}),
              ElementsAre(HasSubstr("messages[1]: the template opens a thought here, and there is "
                                    "no reasoning_content to learn")));
  EXPECT_THAT(samples("deepseek-v3", {message("assistant", "b")}),
              ElementsAre(HasSubstr("messages[0]: the model answers to something")));
  EXPECT_THAT(samples("deepseek-v3", {message("user", "b")}),
              ElementsAre(HasSubstr("no assistant's message")));
}

}  // namespace
}  // namespace fathom::posttrain
