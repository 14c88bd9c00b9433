#include "tokenizer/json/config_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/text.h"
#include "tokenizer/json/added_token_json.h"

namespace fathom::tokenizer {
namespace {

/// In the order in which transformers adds those that a vocabulary lacks.
constexpr std::array<std::string_view, 7> kUsualNames = {
    "bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"};

const io::JsonValue* find(const io::JsonValue& root, std::string_view key) {
  const io::JsonValue* const value = root.find(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

tl::unexpected<Error> wrong(std::string_view where, std::string_view key, std::string_view expected,
                            const io::JsonValue& found) {
  return invalid_input(
      fmt::format("{}: {}: expected {}, found {}", where, key, expected, io::describe(found)));
}

void sort_by_id(std::vector<AddedToken>& tokens) {
  std::sort(tokens.begin(), tokens.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
}

/// Python's AddedToken: matched before normalisation exactly if it is special, unless it says.
Result<void> read_token_object(const io::JsonValue& value, const std::string& place,
                               AddedToken& token) {
  const io::JsonValue* const special = find(value, "special");
  token.normalized = special == nullptr || !special->is_bool() || !special->as_bool();
  return read_added_token(value, place, token);
}

Result<AddedToken> read_special_token(const io::JsonValue& value, std::string_view where,
                                      std::string_view key) {
  AddedToken token;
  if (value.is_object()) {
    const std::string place = fmt::format("{}: {}", where, key);
    auto done = read_token_object(value, place, token);
    if (!done) return tl::unexpected(done.error());
  } else if (value.is_string()) {
    token.content = value.as_string();
    token.normalized = false;
  } else {
    return wrong(where, key, "a string or an object with \"content\"", value);
  }
  token.special = true;
  return token;
}

/// Appends the special token of member `key`.
Result<void> append_special(const io::JsonValue& value, std::string_view where,
                            std::string_view key, std::vector<AddedToken>& out) {
  auto token = read_special_token(value, where, key);
  if (!token) return tl::unexpected(token.error());
  out.push_back(std::move(*token));
  return {};
}

/// A list of extra tokens, or an object of tokens that have names.
Result<void> read_extra_tokens(const io::JsonValue& value, std::string_view where,
                               std::string_view key, TokenizerConfig& config) {
  if (value.is_object()) {
    for (const auto& member : value.as_object()) {
      auto done = append_special(member.second, where, key, config.named_tokens);
      if (!done) return done;
    }
    return {};
  }
  if (!value.is_array()) return wrong(where, key, "a list or an object", value);
  for (const io::JsonValue& token : value.as_array()) {
    if (auto done = append_special(token, where, key, config.extra_tokens); !done) return done;
  }
  return {};
}

}  // namespace

Result<void> read_added_tokens_decoder(const io::JsonValue& root, std::string_view where,
                                       TokenizerConfig& config) {
  constexpr std::string_view kKey = "added_tokens_decoder";
  const io::JsonValue* const value = find(root, kKey);
  if (value == nullptr) return {};
  if (!value->is_object()) return wrong(where, kKey, "an object", *value);
  for (const auto& [key, entry] : value->as_object()) {
    AddedToken token;
    const char* const end = key.data() + key.size();
    const auto [parsed_to, status] = std::from_chars(key.data(), end, token.id);
    const bool is_id = status == std::errc{} && parsed_to == end && token.id >= 0;
    if (!is_id) {
      return invalid_input(fmt::format("{}: {}: expected ids as keys, found \"{}\"", where, kKey,
                                       printable(std::string_view(key).substr(0, 40))));
    }
    if (!entry.is_object()) return wrong(where, kKey, "objects with \"content\"", entry);
    auto done = read_token_object(entry, fmt::format("{}: {}: {}", where, kKey, key), token);
    if (!done) return done;
    config.added_tokens_decoder.push_back(std::move(token));
  }
  sort_by_id(config.added_tokens_decoder);
  config.has_added_tokens_decoder = true;
  return {};
}

Result<void> read_special_tokens(const io::JsonValue& root, std::string_view where,
                                 TokenizerConfig& config) {
  for (const std::string_view key : kUsualNames) {
    const io::JsonValue* const value = find(root, key);
    if (value == nullptr) continue;
    if (auto done = append_special(*value, where, key, config.named_tokens); !done) return done;
  }
  for (const auto& [key, value] : root.as_object()) {
    const bool is_usual =
        std::find(kUsualNames.begin(), kUsualNames.end(), key) != kUsualNames.end();
    if (is_usual || !key.ends_with("_token") || !value.is_string()) continue;
    if (auto done = append_special(value, where, key, config.named_tokens); !done) return done;
  }
  // Two names of one thing; the newer wins.
  for (const std::string_view key : {"extra_special_tokens", "additional_special_tokens"}) {
    const io::JsonValue* const value = find(root, key);
    if (value == nullptr) continue;
    if (auto done = read_extra_tokens(*value, where, key, config); !done) return done;
    if (!config.extra_tokens.empty()) break;
  }
  return {};
}

Result<void> read_added_tokens_file(const io::JsonValue& root, std::string_view where,
                                    TokenizerConfig& config) {
  if (!root.is_object()) {
    return invalid_input(
        fmt::format("{}: expected an object, found {}", where, io::describe(root)));
  }
  for (const auto& [content, id] : root.as_object()) {
    if (!id.is_integer() || id.as_integer() < 0 || id.as_integer() >= kMaxVocabSize) {
      return wrong(where, content, "an id", id);
    }
    const auto is_it = [&content = content](const AddedToken& t) { return t.content == content; };
    const bool is_special =
        std::any_of(config.named_tokens.begin(), config.named_tokens.end(), is_it) ||
        std::any_of(config.extra_tokens.begin(), config.extra_tokens.end(), is_it);
    config.added_tokens_decoder.push_back({.id = static_cast<i32>(id.as_integer()),
                                           .content = content,
                                           .normalized = !is_special,
                                           .special = is_special});
  }
  sort_by_id(config.added_tokens_decoder);
  return {};
}

}  // namespace fathom::tokenizer
