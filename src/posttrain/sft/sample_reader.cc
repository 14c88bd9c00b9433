#include "posttrain/sft/sample_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/json.h"
#include "posttrain/json_lines.h"
#include "posttrain/sft/supervised_chat.h"
#include "tokenizer/chat/parse.h"

namespace fathom::posttrain {
namespace {

using io::JsonArray;
using io::JsonObject;
using io::JsonValue;

/// Whether each message is to be learnt, if an assistant wrote it.
Result<std::vector<bool>> trained_messages(const JsonArray& messages) {
  std::vector<bool> trained;
  for (const JsonValue& message : messages) {
    const JsonValue* loss = message.find("loss");
    if (loss != nullptr && !loss->is_bool()) {
      return invalid_input(fmt::format("messages[{}].loss: expected true or false, found {}",
                                       trained.size(), io::describe(*loss)));
    }
    trained.push_back(loss == nullptr || loss->as_bool());
  }
  return trained;
}

/// A published form of thoughts: "<think>\n...</think>\n\n..." inside the content.
void part_thought_from_content(tokenizer::Message& message) {
  constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  if (message.role != "assistant" || !message.reasoning_content.empty() || !message.content) return;
  const std::string& content = *message.content;
  const size_t close = content.find(kClose);
  if (!content.starts_with(kOpen) || close == std::string::npos) return;
  size_t begin = kOpen.size();
  if (content[begin] == '\n') ++begin;  // the generation prompt brings it
  if (begin > close) return;
  message.reasoning_content = content.substr(begin, close - begin);
  message.content = content.substr(close + kClose.size());
}

Result<std::vector<SampleTokens>> samples_of_chat(const SampleReaderConfig& config,
                                                  JsonObject object, std::vector<bool> trained) {
  if (config.chat.chat.chat_template == nullptr) {
    return invalid_input(
        fmt::format("messages: no chat template to write them by: {}", config.chat.why_none));
  }
  std::vector<std::string> unknown;
  auto parsed = tokenizer::read_chat_request(JsonValue(std::move(object)), "", &unknown);
  if (!parsed) return tl::unexpected(parsed.error());
  parsed->request.texts = config.chat.chat.texts;
  const tokenizer::ChatTemplate& chat_template = *config.chat.chat.chat_template;
  if (chat_template.thinking != tokenizer::ThinkingSupport::kNever) {
    for (tokenizer::Message& message : parsed->request.messages) part_thought_from_content(message);
  }
  const auto chats = supervise_chat(chat_template, parsed->request, trained);
  if (!chats) return tl::unexpected(chats.error());
  std::vector<SampleTokens> samples;
  for (const std::vector<Piece>& pieces : *chats) {
    SampleTokens& sample = samples.emplace_back();
    for (const Piece& piece : pieces) {
      const std::vector<i32> ids = tokenizer::encode_chat(*config.tokenizer, piece.segments);
      sample.ids.insert(sample.ids.end(), ids.begin(), ids.end());
      sample.supervised.resize(sample.ids.size(), piece.supervised ? 1 : 0);
    }
  }
  return samples;
}

Result<std::vector<SampleTokens>> samples_of_messages(const SampleReaderConfig& config,
                                                      const JsonValue& line) {
  JsonObject object;
  for (const char* key :
       {"messages", "tools", "thinking", "enable_thinking", "chat_template_kwargs"}) {
    if (const JsonValue* value = line.find(key)) object.set(key, *value);
  }
  const auto messages = io::get_array(line, "messages", "");
  if (!messages) return tl::unexpected(messages.error());
  auto trained = trained_messages(**messages);
  if (!trained) return tl::unexpected(trained.error());
  return samples_of_chat(config, std::move(object), std::move(*trained));
}

/// Prompt and completion as lists of messages: only the completion's are learnt.
Result<std::vector<SampleTokens>> samples_of_two_lists(const SampleReaderConfig& config,
                                                       const JsonArray& prompt,
                                                       const JsonArray& completion) {
  JsonArray all = prompt;
  all.insert(all.end(), completion.begin(), completion.end());
  std::vector<bool> trained(all.size());
  std::fill(trained.begin() + std::ssize(prompt), trained.end(), true);
  JsonObject object;
  object.set("messages", std::move(all));
  return samples_of_chat(config, std::move(object), std::move(trained));
}

Result<std::vector<SampleTokens>> samples_of_prompt(const SampleReaderConfig& config,
                                                    const JsonValue& line) {
  const JsonValue& prompt = *line.find("prompt");
  const JsonValue* completion = line.find("completion");
  if (completion == nullptr) return invalid_input("completion: missing beside prompt");
  if (prompt.is_array() && completion->is_array()) {
    return samples_of_two_lists(config, prompt.as_array(), completion->as_array());
  }
  if (!prompt.is_string() || !completion->is_string()) {
    return invalid_input(fmt::format(
        "prompt, completion: expected two texts or two lists of messages, found {} and {}",
        io::describe(prompt), io::describe(*completion)));
  }
  if (!config.eos) return invalid_input("completion: data.eos_token is no token of the tokenizer");
  SampleTokens sample;
  if (config.bos) sample.ids.push_back(*config.bos);
  config.tokenizer->encode_to(prompt.as_string(), {}, sample.ids);
  sample.supervised.resize(sample.ids.size(), 0);
  config.tokenizer->encode_to(completion->as_string(), {}, sample.ids);
  sample.ids.push_back(*config.eos);
  sample.supervised.resize(sample.ids.size(), 1);
  return std::vector<SampleTokens>{std::move(sample)};
}

/// Brings a sample to max_tokens from its prompt's side, behind its first token; false: not without
/// losing a target.
bool cut_prompt(i64 max_tokens, SampleTokens& sample) {
  const i64 excess = std::ssize(sample.ids) - max_tokens;
  const auto first_target = std::ranges::find(sample.supervised, u8{1});
  if (first_target - sample.supervised.begin() - 1 < excess) return false;
  sample.ids.erase(sample.ids.begin() + 1, sample.ids.begin() + 1 + excess);
  sample.supervised.erase(sample.supervised.begin() + 1, sample.supervised.begin() + 1 + excess);
  return true;
}

Result<void> add_line(const SampleReaderConfig& config, std::vector<SampleTokens> samples,
                      i32 number, SampleStatistics& statistics, SampleSet& set) {
  for (SampleTokens& sample : samples) {
    statistics.longest = std::max(statistics.longest, std::ssize(sample.ids));
    if (std::ssize(sample.ids) > config.max_tokens) {
      ++statistics.too_long;
      if (config.too_long == SftTooLong::kDrop || !cut_prompt(config.max_tokens, sample)) continue;
    }
    ++statistics.samples;
    statistics.tokens += std::ssize(sample.ids);
    statistics.supervised += std::ranges::count(sample.supervised, u8{1});
    set.add(sample.ids, sample.supervised, number);
    std::string problem = config.check ? config.check(set) : "";
    if (!problem.empty()) return invalid_input(std::move(problem));
  }
  return {};
}

}  // namespace

Result<std::vector<SampleTokens>> samples_of_line(const SampleReaderConfig& config,
                                                  const JsonValue& line) {
  if (line.find("messages") != nullptr) return samples_of_messages(config, line);
  if (line.find("prompt") != nullptr) return samples_of_prompt(config, line);
  return invalid_input(
      "expected an object with \"messages\", or with \"prompt\" and \"completion\"");
}

SampleStatistics read_samples(const SampleReaderConfig& config, const SourceConfig& source,
                              const std::string& where, i32 number, SampleSet& set) {
  SampleStatistics statistics{.name = where};
  for_each_json_line(source, where, [&](const JsonValue& line) -> Result<void> {
    auto samples = samples_of_line(config, line);
    if (!samples) return tl::unexpected(samples.error());
    ++statistics.lines;
    if (config.apart != nullptr && config.apart->has_line(line)) return {};
    return add_line(config, std::move(*samples), number, statistics, set);
  });
  return statistics;
}

}  // namespace fathom::posttrain
