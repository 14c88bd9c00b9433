#include "tokenizer/gguf/gguf_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "tokenizer/byte_level.h"
#include "tokenizer/gguf/pre_tokenizers.h"
#include "tokenizer/tiktoken.h"

namespace fathom::tokenizer {
namespace {

using io::gguf::Metadata;

constexpr std::string_view kPrefix = "tokenizer.ggml.";

std::string key(std::string_view name) { return std::string(kPrefix).append(name); }

/// `tokenizer.ggml.token_type`: one number a token.
enum TokenType : i64 { kControl = 3, kUserDefined = 4 };

/// A special token's id, nullopt if the file names none: no key, or all bits set.
Result<std::optional<i32>> token_id(const Metadata& metadata, std::string_view name, i64 size) {
  constexpr i64 kNone = 0xFFFFFFFF;
  if (!metadata.has(key(name))) return std::nullopt;
  const auto id = metadata.integer(key(name));
  if (!id) return tl::unexpected(id.error());
  if (*id == kNone || *id == -1) return std::nullopt;
  if (*id >= 0 && *id < size) return static_cast<i32>(*id);
  return invalid_input(fmt::format("{}: {} is {}, expected the id of one of the {} tokens",
                                   metadata.file_name(), key(name), *id, size));
}

Result<std::optional<bool>> flag(const Metadata& metadata, std::string_view name) {
  if (!metadata.has(key(name))) return std::nullopt;
  const auto value = metadata.boolean(key(name));
  if (!value) return tl::unexpected(value.error());
  return *value;
}

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
    const auto kind = gguf_tokenizer_kind(*pre, metadata_.file_name());
    if (!kind) return tl::unexpected(kind.error());
    kind_ = *kind;
    auto pre_tokenizer = gguf_pre_tokenizer(*pre, metadata_.file_name());
    if (!pre_tokenizer) return tl::unexpected(pre_tokenizer.error());
    spec_.pre_tokenizer = std::move(*pre_tokenizer);
    spec_.ignore_merges = kind_.ignore_merges;
    spec_.rank_is_merged_id = kind_.is_tiktoken;
    if (kind_.normalizes) spec_.normalizer = Normalizer({NormalizationForm::kNfc});
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

  /// The raw bytes of the ordinary tokens, which come before all others in a tiktoken vocabulary.
  std::vector<std::string> ordinary_tokens() const {
    const i32 end = spec_.added_tokens.empty() ? static_cast<i32>(spec_.vocab.size())
                                               : spec_.added_tokens.front().id;
    std::vector<std::string> tokens;
    for (i32 id = 0; id < end; ++id) {
      auto bytes = unspell_bytes(spec_.vocab[static_cast<size_t>(id)]);
      if (!bytes) break;
      tokens.push_back(std::move(*bytes));
    }
    return tokens;
  }

  Result<void> read_merges() {
    if (kind_.is_tiktoken) {
      spec_.merges = tiktoken_merges(ordinary_tokens());
      return {};
    }
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
    const auto unk = token_id(metadata_, "unknown_token_id", std::ssize(spec_.vocab));
    if (!unk) return tl::unexpected(unk.error());
    spec_.unk_id = *unk;
    const auto bos = token_id(metadata_, "bos_token_id", std::ssize(spec_.vocab));
    if (!bos) return tl::unexpected(bos.error());
    const auto adds_bos = flag(metadata_, "add_bos_token");
    if (!adds_bos) return tl::unexpected(adds_bos.error());
    if (*bos && adds_bos->value_or(kind_.adds_bos)) spec_.prefix_ids = {**bos};
    return {};
  }

  const Metadata& metadata_;
  GgufTokenizerKind kind_;
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
  config.tokenizer_class = "PreTrainedTokenizerFast";
  std::optional<std::string> end_of_turn, end_of_message;
  for (const auto& [name, text] :
       {std::pair("bos_token_id", &config.bos_token), std::pair("eos_token_id", &config.eos_token),
        std::pair("padding_token_id", &config.pad_token),
        std::pair("unknown_token_id", &config.unk_token), std::pair("eot_token_id", &end_of_turn),
        std::pair("eom_token_id", &end_of_message)}) {
    const auto id = token_id(metadata, name, std::ssize(*tokens));
    if (!id) return tl::unexpected(id.error());
    if (*id) *text = std::string((*tokens)[static_cast<size_t>(**id)]);
  }
  for (std::optional<std::string>* text : {&end_of_turn, &end_of_message}) {
    if (*text) config.end_tokens.push_back(std::move(**text));
  }
  for (const auto& [name, out] : {std::pair("add_bos_token", &config.add_bos_token),
                                  std::pair("add_eos_token", &config.add_eos_token)}) {
    const auto given = flag(metadata, name);
    if (!given) return tl::unexpected(given.error());
    *out = *given;
  }
  const auto pre = metadata.string(key("pre"));
  const auto kind = pre ? gguf_tokenizer_kind(*pre, metadata.file_name()) : GgufTokenizerKind{};
  if (kind && kind->adds_bos && !config.add_bos_token) config.add_bos_token = true;
  if (metadata.has("tokenizer.chat_template")) {
    const auto text = metadata.string("tokenizer.chat_template");
    if (!text) return tl::unexpected(text.error());
    config.chat_template = std::string(*text);
  }
  return config;
}

}  // namespace fathom::tokenizer
