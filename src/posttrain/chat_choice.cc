#include "posttrain/chat_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace fathom::posttrain {

namespace fs = std::filesystem;

ChatChoice choose_chat_template(const RunConfig& run, const tokenizer::Tokenizer& tokenizer) {
  const fs::path path = run.model.tokenizer_path();
  const fs::path directory = fs::is_directory(path) ? path : path.parent_path();
  const auto found = tokenizer::load_chat_template(directory, run.sft.chat_template);
  const auto none = [&](const Error& error) {
    if (!run.sft.chat_template.empty()) throw Error(error);
    return ChatChoice{.chat = {}, .why_none = error.message()};
  };
  if (!found) return none(found.error());
  const auto fits = tokenizer::check_chat_tokens(*found->chat_template, tokenizer);
  if (!fits) return none(fits.error());
  return {.chat = *found, .why_none = ""};
}

std::vector<i64> end_ids(const ChatChoice& choice, const tokenizer::Tokenizer& tokenizer) {
  if (choice.chat.chat_template == nullptr) return {};
  const auto id = tokenizer.token_to_id(choice.chat.chat_template->end_of_turn);
  return id ? std::vector<i64>{*id} : std::vector<i64>{};
}

std::vector<i32> stop_ids(const ChatChoice& choice, const tokenizer::Tokenizer& tokenizer,
                          const std::string& eos_token) {
  std::vector<i32> ids;
  for (const i64 id : end_ids(choice, tokenizer)) ids.push_back(static_cast<i32>(id));
  const auto eos = tokenizer.token_to_id(eos_token);
  if (eos && std::ranges::count(ids, *eos) == 0) ids.push_back(*eos);
  if (ids.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("data.eos_token: {} is no token of the tokenizer, and no template has "
                            "an end of turn: nothing would end an answer",
                            eos_token));
  }
  return ids;
}

void check_sources(const DataConfig& data) {
  if (data.train.empty()) {
    throw Error(ErrorCode::kInvalidInput,
                "data.train: no source: add [data.train.NAME] with paths");
  }
  for (const auto& [name, source] : data.train) {
    if (source.weight == 0.0) continue;
    throw Error(ErrorCode::kUnsupported,
                fmt::format("data.train.{}.weight: {}, but this stage takes every line once an "
                            "epoch; leave it out",
                            name, source.weight));
  }
}

}  // namespace fathom::posttrain
