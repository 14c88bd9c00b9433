#include "tokenizer/gguf/gguf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>

#include "tokenizer/gguf/pre_tokenizers.h"

namespace fathom::tokenizer {
namespace {

using io::gguf::Metadata;

constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string key(std::string_view name) { return std::string(kPrefix).append(name); }

/// `tokenizer.ggml.token_type`: one number a token.
enum TokenType : i64 { kControl = 3, kUserDefined = 4 };

class SpecReader {
 public:
  explicit SpecReader(const Metadata& metadata) : metadata_(metadata) {}

  Result<TokenizerSpec> read() {
    for (const auto step : {&SpecReader::read_model, &SpecReader::read_tokens,
                            &SpecReader::read_merges, &SpecReader::read_special_ids}) {
      if (Result<void> done = (this->*step)(); !done) return tl::unexpected(done.error());
    }
    return std::move(spec_);
  }

 private:
  Result<void> read_model() {
    const auto model = metadata_.string(key("model"));
    if (!model) return tl::unexpected(model.error());
    if (*model != "gpt2") {
      return unsupported(fmt::format(
          "{}: {} is {}, expected \"gpt2\": only byte-level tokenizers are supported",
          metadata_.file_name(), key("model"), to_string(*metadata_.find(key("model")))));
    }
    const auto pre = metadata_.string(key("pre"));
    if (!pre) return tl::unexpected(pre.error());
    auto named = gguf_pre_tokenizer(*pre, metadata_.file_name());
    if (!named) return tl::unexpected(named.error());
    spec_.pre_tokenizer = std::move(named->pre_tokenizer);
    spec_.ignore_merges = named->ignore_merges;
    return {};
  }

  Result<void> read_tokens() {
    const auto tokens = metadata_.strings(key("tokens"));
    if (!tokens) return tl::unexpected(tokens.error());
    if (static_cast<i64>(tokens->size()) > kMaxVocabSize) {
      return invalid_input(fmt::format("{}: {} tokens, expected at most {}", metadata_.file_name(),
                                       tokens->size(), kMaxVocabSize));
    }
    spec_.vocab.assign(tokens->begin(), tokens->end());
    for (const std::string& token : spec_.vocab) {
      ids_.emplace(token, static_cast<i32>(ids_.size()));
    }
    if (!metadata_.has(key("token_type"))) return {};
    const auto types = metadata_.integers(key("token_type"));
    if (!types) return tl::unexpected(types.error());
    if (types->size() != spec_.vocab.size()) {
      return invalid_input(fmt::format("{}: {} token types for {} tokens", metadata_.file_name(),
                                       types->size(), spec_.vocab.size()));
    }
    for (size_t id = 0; id < types->size(); ++id) {
      const i64 type = (*types)[id];
      if (type != kControl && type != kUserDefined) continue;
      spec_.added_tokens.push_back({.id = static_cast<i32>(id),
                                    .content = spec_.vocab[id],
                                    .normalized = false,
                                    .special = type == kControl});
    }
    return {};
  }

  Result<void> read_merges() {
    const auto merges = metadata_.strings(key("merges"));
    if (!merges) return tl::unexpected(merges.error());
    spec_.merges.reserve(merges->size());
    for (const std::string_view text : *merges) {
      const size_t space = text.find(' ');
      const auto left = ids_.find(text.substr(0, space));
      const auto right =
          space == std::string_view::npos ? ids_.end() : ids_.find(text.substr(space + 1));
      if (left == ids_.end() || right == ids_.end()) {
        return invalid_input(
            fmt::format("{}: merge {} is \"{}\", expected two of the tokens with a space between",
                        metadata_.file_name(), spec_.merges.size(), io::gguf::printable(text)));
      }
      spec_.merges.push_back({left->second, right->second});
    }
    return {};
  }

  Result<void> read_special_ids() {
    if (metadata_.has(key("unknown_token_id"))) {
      const auto unk = metadata_.integer(key("unknown_token_id"));
      if (!unk) return tl::unexpected(unk.error());
      spec_.unk_id = static_cast<i32>(std::clamp<i64>(*unk, -1, kMaxVocabSize));
    }
    if (!metadata_.has(key("add_bos_token")) || !metadata_.has(key("bos_token_id"))) return {};
    const auto add = metadata_.boolean(key("add_bos_token"));
    if (!add) return tl::unexpected(add.error());
    const auto bos = metadata_.integer(key("bos_token_id"));
    if (!bos) return tl::unexpected(bos.error());
    if (*add) spec_.prefix_ids = {static_cast<i32>(std::clamp<i64>(*bos, -1, kMaxVocabSize))};
    return {};
  }

  const Metadata& metadata_;
  TokenizerSpec spec_;
  std::unordered_map<std::string_view, i32> ids_;  // views spec_.vocab
};

}  // namespace

Result<TokenizerSpec> gguf_tokenizer_spec(const Metadata& metadata) {
  return SpecReader(metadata).read();
}

Result<TokenizerConfig> gguf_tokenizer_config(const Metadata& metadata) {
  TokenizerConfig config;
  const auto tokens = metadata.strings(key("tokens"));
  if (!tokens) return tl::unexpected(tokens.error());
  const auto text_of = [&](std::string_view name) -> std::optional<std::string> {
    const auto id = metadata.integer(key(name));
    if (!id || *id < 0 || *id >= static_cast<i64>(tokens->size())) return std::nullopt;
    return std::string((*tokens)[static_cast<size_t>(*id)]);
  };
  config.tokenizer_class = "PreTrainedTokenizerFast";
  config.bos_token = text_of("bos_token_id");
  config.eos_token = text_of("eos_token_id");
  config.pad_token = text_of("padding_token_id");
  config.unk_token = text_of("unknown_token_id");
  if (const auto add = metadata.boolean(key("add_bos_token"))) config.add_bos_token = *add;
  if (metadata.has("tokenizer.chat_template")) {
    const auto text = metadata.string("tokenizer.chat_template");
    if (!text) return tl::unexpected(text.error());
    config.chat_template = std::string(*text);
  }
  return config;
}

}  // namespace fathom::tokenizer
