// Where a model directory or a GGUF file keeps its chat template.
#include <fmt/format.h>

#include "io/downloaded.h"
#include "io/gguf/file.h"
#include "io/json.h"
#include "tokenizer/chat/template.h"
#include "tokenizer/tokenizer_config.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

/// The text of a whole file, nullopt if there is none.
Result<std::optional<std::string>> read_text(const std::filesystem::path& path) {
  const auto file = io::open_downloaded(path);
  if (!file && file.error().code() == ErrorCode::kNotFound) return std::nullopt;
  if (!file) return tl::unexpected(file.error());
  const std::span<const u8> bytes = file->bytes();
  if (bytes.size() > kMaxFileBytes) {
    return invalid_input(fmt::format("{}: expected a chat template of at most {} bytes, found {}",
                                     path.string(), kMaxFileBytes, bytes.size()));
  }
  return std::string(bytes.begin(), bytes.end());
}

/// config.json's model_type, empty if it says none or there is no such file.
Result<std::string> read_model_type(const std::filesystem::path& path) {
  const auto config = io::read_downloaded_json(path);
  if (!config && config.error().code() == ErrorCode::kNotFound) return std::string();
  if (!config) return tl::unexpected(config.error());
  if (config->find("model_type") == nullptr) return std::string();
  return io::get_string(*config, "model_type", path.string());
}

Result<RecognisedChatTemplate> load_gguf_template(const std::string& path) {
  const auto config = load_tokenizer_config(path);
  if (!config) return tl::unexpected(config.error());
  return recognise_chat_template(config->chat_template, {}, path);
}

}  // namespace

Result<RecognisedChatTemplate> load_chat_template(const std::filesystem::path& model_dir,
                                                  std::string_view name) {
  if (!name.empty()) {
    const auto named = parse_chat_template_name(name);
    if (!named) return tl::unexpected(named.error());
    return RecognisedChatTemplate{*named, {}};
  }
  if (io::gguf::is_gguf(model_dir)) return load_gguf_template(model_dir.string());
  const std::filesystem::path jinja_path = model_dir / "chat_template.jinja";
  auto jinja = read_text(jinja_path);
  if (!jinja) return tl::unexpected(jinja.error());
  if (*jinja) return recognise_chat_template(**jinja, {}, jinja_path.string());

  const std::filesystem::path config_path = model_dir / "tokenizer_config.json";
  auto config = load_tokenizer_config(model_dir.string());
  if (!config && config.error().code() != ErrorCode::kNotFound) {
    return tl::unexpected(config.error());
  }
  if (config && config->chat_template) {
    return recognise_chat_template(*config->chat_template, {}, config_path.string());
  }
  auto model_type = read_model_type(model_dir / "config.json");
  if (!model_type) return tl::unexpected(model_type.error());
  return recognise_chat_template(std::nullopt, *model_type, config_path.string());
}

}  // namespace fathom::tokenizer
