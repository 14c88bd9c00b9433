#include "cli/convert/tokenizer_files.h"

#include <utility>

#include "base/log.h"
#include "io/files/atomic_file.h"
#include "io/json.h"
#include "tokenizer/gguf/gguf_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace fathom::cli {
namespace {

/// generation_config.json with every token that ends an answer; config.json has the first alone.
void write_end_tokens(const std::filesystem::path& path, const tokenizer::Tokenizer& tokenizer,
                      const tokenizer::TokenizerConfig& config) {
  io::JsonArray ids;
  std::vector<std::string> ends = config.end_tokens;
  if (config.eos_token) ends.insert(ends.begin(), *config.eos_token);
  for (const std::string& end : ends) {
    if (const auto id = tokenizer.token_to_id(end)) ids.emplace_back(*id);
  }
  io::JsonObject object;
  object.set("eos_token_id", std::move(ids));
  io::write_file_atomically(path, io::write_json(object, 2) + "\n");
}

}  // namespace

std::vector<std::string> write_tokenizer_files(const std::filesystem::path& directory,
                                               const io::gguf::File& file) {
  const io::gguf::Metadata& metadata = file.metadata();
  if (!metadata.has("tokenizer.ggml.model")) return {};
  auto spec = tokenizer::gguf_tokenizer_spec(metadata);
  if (!spec) {
    log::warn("{}; the model is converted without a tokenizer", spec.error().message());
    return {};
  }
  if (spec->rank_is_merged_id) {
    log::warn(
        "{}: tokenizer.json has no form for a tiktoken vocabulary; the model is converted without "
        "a tokenizer",
        metadata.file_name());
    return {};
  }
  const auto tokenizer =
      value_or_throw(tokenizer::Tokenizer::from_spec(std::move(*spec), metadata.file_name()));
  const auto config = value_or_throw(tokenizer::gguf_tokenizer_config(metadata));
  tokenizer.save((directory / "tokenizer.json").string());
  io::write_file_atomically(directory / "tokenizer_config.json", write_tokenizer_config(config));
  if (config.end_tokens.empty()) return {"tokenizer.json", "tokenizer_config.json"};
  write_end_tokens(directory / "generation_config.json", tokenizer, config);
  return {"generation_config.json", "tokenizer.json", "tokenizer_config.json"};
}

}  // namespace fathom::cli
