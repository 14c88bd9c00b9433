#include "engine/prompt.h"

#include <algorithm>
#include <utility>

namespace fathom::engine {
namespace {

/// tokenizer_config.json wins over the post-processor: V3's tokenizer.json has no BOS of its own,
/// the config asks for it.
std::vector<i32> prefix_of(const tokenizer::Tokenizer& tokenizer,
                           const tokenizer::TokenizerConfig& config) {
  if (!config.add_bos_token) return tokenizer.spec().prefix_ids;
  if (!*config.add_bos_token || !config.bos_token) return {};
  const std::optional<i32> bos = tokenizer.token_to_id(*config.bos_token);
  return bos ? std::vector<i32>{*bos} : std::vector<i32>{};
}

}  // namespace

Result<TextCodec> load_text_codec(const std::string& model_path) {
  Result<tokenizer::Tokenizer> tokenizer = tokenizer::Tokenizer::load_model(model_path);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  Result<tokenizer::TokenizerConfig> config = tokenizer::load_tokenizer_config(model_path);
  if (!config && config.error().code() != ErrorCode::kNotFound) {
    return tl::unexpected(config.error());
  }
  TextCodec codec{
      std::move(*tokenizer), config ? std::move(*config) : tokenizer::TokenizerConfig{}, {}};
  codec.prefix_ids = prefix_of(codec.tokenizer, codec.config);
  return codec;
}

std::vector<i32> encode_prompt(const TextCodec& codec, std::string_view text,
                               tokenizer::TextKind kind) {
  std::vector<i32> ids = codec.tokenizer.encode(text, {.text = kind});
  const std::vector<i32>& prefix = codec.prefix_ids;
  const bool present =
      ids.size() >= prefix.size() && std::equal(prefix.begin(), prefix.end(), ids.begin());
  if (!present) ids.insert(ids.begin(), prefix.begin(), prefix.end());
  return ids;
}

std::vector<i32> stop_token_ids(const TextCodec& codec, const ModelConfig& config,
                                const std::vector<i64>& generation_eos) {
  std::vector<i32> ids;
  for (const std::vector<i64>* list : {&config.eos_token_id, &generation_eos}) {
    for (const i64 id : *list) ids.push_back(static_cast<i32>(id));
  }
  std::vector<std::string> ends = codec.config.end_tokens;
  if (codec.config.eos_token) ends.push_back(*codec.config.eos_token);
  for (const std::string& end : ends) {
    if (const auto id = codec.tokenizer.token_to_id(end)) ids.push_back(*id);
  }
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace fathom::engine
