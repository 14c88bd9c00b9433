#include "tokenizer/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "io/downloaded.h"
#include "io/gguf/file.h"
#include "io/json.h"
#include "tokenizer/gguf/gguf_tokenizer.h"
#include "tokenizer/json/config_tokens.h"

namespace fathom::tokenizer {
namespace {

/// Reads members of one object; every function leaves `out` alone when the key is absent or null.
class MemberReader {
 public:
  MemberReader(const io::JsonValue& root, std::string_view where) : root_(root), where_(where) {}

  Result<void> read_flag(std::string_view key, std::optional<bool>& out) const {
    const io::JsonValue* const value = find(key);
    if (value == nullptr) return {};
    if (!value->is_bool()) return wrong(key, "true or false", *value);
    out = value->as_bool();
    return {};
  }

  /// A string, or an AddedToken object with "content".
  Result<void> read_token(std::string_view key, std::optional<std::string>& out) const {
    const io::JsonValue* value = find(key);
    if (value == nullptr) return {};
    if (const io::JsonValue* content = value->find("content")) value = content;
    if (!value->is_string()) return wrong(key, "a string or an object with \"content\"", *value);
    out = value->as_string();
    return {};
  }

  Result<void> read_class(std::string& out) const {
    const io::JsonValue* const value = find("tokenizer_class");
    if (value == nullptr) return {};
    if (!value->is_string()) return wrong("tokenizer_class", "a string", *value);
    out = value->as_string();
    return {};
  }

  Result<void> read_length(std::optional<i64>& out) const {
    const io::JsonValue* const value = find("model_max_length");
    if (value == nullptr) return {};
    if (!value->is_number()) return wrong("model_max_length", "a number", *value);
    // transformers writes int(1e30), its "very large", when nobody set a limit.
    if (value->is_integer() && value->as_integer() > 0) out = value->as_integer();
    return {};
  }

  /// A string, or a list of {"name", "template"} of which "default" counts.
  Result<void> read_template(std::optional<std::string>& out) const {
    const io::JsonValue* const value = find("chat_template");
    if (value == nullptr) return {};
    if (value->is_string()) {
      out = value->as_string();
      return {};
    }
    if (!value->is_array()) return wrong("chat_template", "a string or a list", *value);
    for (const io::JsonValue& entry : value->as_array()) {
      const io::JsonValue* const name = entry.find("name");
      const io::JsonValue* const text = entry.find("template");
      if (name == nullptr || !name->is_string() || text == nullptr || !text->is_string()) {
        return wrong("chat_template", "entries with \"name\" and \"template\"", entry);
      }
      if (name->as_string() == "default") out = text->as_string();
    }
    return {};
  }

 private:
  const io::JsonValue* find(std::string_view key) const {
    const io::JsonValue* const value = root_.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  tl::unexpected<Error> wrong(std::string_view key, std::string_view expected,
                              const io::JsonValue& found) const {
    return invalid_input(
        fmt::format("{}: {}: expected {}, found {}", where_, key, expected, io::describe(found)));
  }

  const io::JsonValue& root_;
  std::string_view where_;
};

Result<TokenizerConfig> read_config(const io::JsonValue& root, std::string_view where) {
  if (!root.is_object()) {
    return invalid_input(
        fmt::format("{}: expected an object, found {}", where, io::describe(root)));
  }
  const MemberReader reader(root, where);
  TokenizerConfig config;
  for (const Result<void>& done :
       {reader.read_class(config.tokenizer_class),
        reader.read_flag("add_bos_token", config.add_bos_token),
        reader.read_flag("add_eos_token", config.add_eos_token),
        reader.read_flag("add_prefix_space", config.add_prefix_space),
        reader.read_flag("split_special_tokens", config.split_special_tokens),
        reader.read_token("bos_token", config.bos_token),
        reader.read_token("eos_token", config.eos_token),
        reader.read_token("pad_token", config.pad_token),
        reader.read_token("unk_token", config.unk_token),
        reader.read_length(config.model_max_length), reader.read_template(config.chat_template),
        read_added_tokens_decoder(root, where, config), read_special_tokens(root, where, config)}) {
    if (!done) return tl::unexpected(done.error());
  }
  return config;
}

/// A file of a directory, nullopt if there is none.
Result<std::optional<io::JsonValue>> read_if_there(const std::string& path) {
  auto root = io::read_downloaded_json(path);
  if (root) return std::move(*root);
  if (root.error().code() == ErrorCode::kNotFound) return std::nullopt;
  return tl::unexpected(root.error());
}

/// Lays special_tokens_map.json over the config's `members` and adds added_tokens.json; whether
/// there is either.
Result<bool> read_older_files(const std::string& directory, io::JsonValue& members,
                              TokenizerConfig& config) {
  const std::string map_path = directory + "/special_tokens_map.json";
  const auto map = read_if_there(map_path);
  if (!map) return tl::unexpected(map.error());
  if (*map) {
    if (!(*map)->is_object()) {
      return invalid_input(
          fmt::format("{}: expected an object, found {}", map_path, io::describe(**map)));
    }
    for (const auto& [key, value] : (*map)->as_object()) members.as_object().set(key, value);
    auto overlaid = read_config(members, map_path);
    if (!overlaid) return tl::unexpected(overlaid.error());
    config = std::move(*overlaid);
  }
  const std::string tokens_path = directory + "/added_tokens.json";
  const auto tokens = read_if_there(tokens_path);
  if (!tokens) return tl::unexpected(tokens.error());
  if (*tokens) {
    auto done = read_added_tokens_file(**tokens, tokens_path, config);
    if (!done) return tl::unexpected(done.error());
  }
  return map->has_value() || tokens->has_value();
}

}  // namespace

Result<TokenizerConfig> parse_tokenizer_config(std::string_view text, std::string_view where) {
  const Result<io::JsonValue> root = io::parse_json(text, std::string(where));
  if (!root) return tl::unexpected(root.error());
  return read_config(*root, where);
}

std::string write_tokenizer_config(const TokenizerConfig& config) {
  io::JsonObject object;
  const auto set_token = [&](const char* name, const std::optional<std::string>& token) {
    object.set(name, token ? io::JsonValue(*token) : io::JsonValue());
  };
  if (config.add_bos_token) object.set("add_bos_token", *config.add_bos_token);
  if (config.add_eos_token) object.set("add_eos_token", *config.add_eos_token);
  set_token("bos_token", config.bos_token);
  if (config.chat_template) object.set("chat_template", *config.chat_template);
  object.set("clean_up_tokenization_spaces", false);
  set_token("eos_token", config.eos_token);
  if (config.model_max_length) object.set("model_max_length", *config.model_max_length);
  set_token("pad_token", config.pad_token);
  if (!config.tokenizer_class.empty()) object.set("tokenizer_class", config.tokenizer_class);
  set_token("unk_token", config.unk_token);
  return io::write_json(object, 2) + "\n";
}

Result<TokenizerConfig> load_tokenizer_config(const std::string& model_path) {
  if (io::gguf::is_gguf(model_path)) {
    const auto file = io::gguf::File::open(model_path);
    if (!file) return tl::unexpected(file.error());
    return gguf_tokenizer_config(file->metadata());
  }
  const std::string path = model_path + "/tokenizer_config.json";
  const auto root = io::read_downloaded_json(path);
  if (!root && root.error().code() != ErrorCode::kNotFound) return tl::unexpected(root.error());
  io::JsonValue members = root ? *root : io::JsonObject();
  auto config = read_config(members, path);
  if (!config || config->has_added_tokens_decoder) return config;
  const auto has_older = read_older_files(model_path, members, *config);
  if (!has_older) return tl::unexpected(has_older.error());
  if (!root && !*has_older) return tl::unexpected(root.error());
  return config;
}

}  // namespace fathom::tokenizer
