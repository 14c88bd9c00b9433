#include "posttrain/grpo/prompt_set.h"

#include <fmt/format.h>

#include "io/json.h"
#include "posttrain/json_lines.h"
#include "tokenizer/chat/parse.h"

namespace fathom::posttrain {
namespace {

using io::JsonValue;

Result<std::string> text_of(const JsonValue& line, std::string_view key) {
  const JsonValue* value = line.find(key);
  if (value == nullptr || value->is_null()) return std::string();
  if (!value->is_string()) {
    return invalid_input(fmt::format("{}: expected a text, found {}", key, io::describe(*value)));
  }
  return value->as_string();
}

Result<void> encode_messages(const PromptReader& reader, const JsonValue& messages,
                             Prompt& prompt) {
  if (reader.chat.chat.chat_template == nullptr) {
    return invalid_input(fmt::format("prompt: messages, and no chat template to write them by ({})",
                                     reader.chat.why_none));
  }
  io::JsonObject object;
  object.set("messages", messages);
  auto parsed = tokenizer::read_chat_request(JsonValue(std::move(object)), "prompt");
  if (!parsed) return tl::unexpected(parsed.error());
  parsed->request.texts = reader.chat.chat.texts;
  parsed->request.add_generation_prompt = true;
  const auto segments = tokenizer::render_chat(*reader.chat.chat.chat_template, parsed->request);
  if (!segments) return tl::unexpected(segments.error());
  prompt.ids = tokenizer::encode_chat(*reader.tokenizer, *segments);
  prompt.text = tokenizer::chat_text(*segments);
  prompt.messages = io::write_json(messages);
  prompt.key.opens_thought = tokenizer::ends_in_thought(*segments);
  return {};
}

Result<Prompt> prompt_of_line(const PromptReader& reader, const JsonValue& line) {
  Prompt prompt;
  const JsonValue* text = line.find("prompt");
  if (text == nullptr || !(text->is_string() || text->is_array())) {
    return invalid_input("prompt: expected a text or a list of messages");
  }
  if (text->is_array()) {
    if (auto good = encode_messages(reader, *text, prompt); !good) {
      return tl::unexpected(good.error());
    }
  } else {
    prompt.text = text->as_string();
    if (reader.bos) prompt.ids.push_back(*reader.bos);
    reader.tokenizer->encode_to(prompt.text, {}, prompt.ids);
  }
  if (prompt.ids.empty()) return invalid_input("prompt: empty");
  if (std::ssize(prompt.ids) > reader.max_tokens) {
    return invalid_input(
        fmt::format("prompt: {} tokens, and data.seq_len leaves {} beside grpo.max_new_tokens",
                    prompt.ids.size(), reader.max_tokens));
  }
  auto answer = text_of(line, "answer"), tests = text_of(line, "tests");
  if (!answer) return tl::unexpected(answer.error());
  if (!tests) return tl::unexpected(tests.error());
  prompt.key.answer = std::move(*answer);
  prompt.key.tests = std::move(*tests);
  if (auto good = reader.rewarder->check(prompt.key); !good) return tl::unexpected(good.error());
  return prompt;
}

}  // namespace

std::vector<Prompt> read_prompts(const PromptReader& reader, const SourceConfig& source,
                                 const std::string& where) {
  std::vector<Prompt> prompts;
  for_each_json_line(source, where, [&](const JsonValue& line) -> Result<void> {
    auto prompt = prompt_of_line(reader, line);
    if (!prompt) return tl::unexpected(prompt.error());
    if (reader.apart != nullptr && reader.apart->has_line(line)) return {};
    prompts.push_back(std::move(*prompt));
    return {};
  });
  if (prompts.empty()) throw Error(ErrorCode::kInvalidInput, where + ": no prompts");
  return prompts;
}

}  // namespace fathom::posttrain
