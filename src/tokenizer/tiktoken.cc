#include "tokenizer/tiktoken.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <optional>
#include <unordered_map>

#include "io/json.h"
#include "tokenizer/byte_level.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kMaxTokenBytes = 4096;
constexpr i64 kNumSpecialTokens = 256 + 2;
constexpr std::string_view kKimiPattern =
    R"([\p{Han}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Standard alphabet with padding; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kBase64Digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.size() % 4 != 0) return std::nullopt;
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  u32 bits = 0;
  u32 num_bits = 0;
  for (const char c : text) {
    const size_t value = kBase64Digits.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<u32>(value)) & 0xFFFF;
    num_bits += 6;
    if (num_bits >= 8) {
      num_bits -= 8;
      bytes.push_back(static_cast<char>(bits >> num_bits));
    }
  }
  return bytes;
}

struct RankedToken {
  std::string bytes;
  i64 rank = 0;
};

std::optional<RankedToken> parse_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  std::optional<std::string> bytes = decode_base64(line.substr(0, space));
  RankedToken token;
  const char* const end = line.data() + line.size();
  const auto [parsed_to, status] = std::from_chars(line.data() + space + 1, end, token.rank);
  if (!bytes || bytes->empty() || status != std::errc{} || parsed_to != end) return std::nullopt;
  token.bytes = std::move(*bytes);
  return token;
}

/// Raw bytes by rank; the lines must hold the ranks 0, 1, 2, ... in order, as published files do.
Result<std::vector<std::string>> parse_tokens(std::string_view text, std::string_view where) {
  std::vector<std::string> tokens;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto next = static_cast<i64>(tokens.size());
    std::optional<RankedToken> token = parse_line(line);
    if (!token || token->rank != next || token->bytes.size() > kMaxTokenBytes ||
        next + kNumSpecialTokens >= kMaxVocabSize) {
      return invalid_input(fmt::format(
          "{}: token {}: expected a line \"BASE64 {}\" of 1 to {} bytes, at most {} lines", where,
          next, next, kMaxTokenBytes, kMaxVocabSize - kNumSpecialTokens));
    }
    tokens.push_back(std::move(token->bytes));
  }
  constexpr size_t kBytes = 256;  // tiktoken starts from every single byte
  if (tokens.size() < kBytes) {
    return invalid_input(
        fmt::format("{}: {} tokens, expected at least the {} bytes; is the file "
                    "truncated?",
                    where, tokens.size(), kBytes));
  }
  return tokens;
}

std::vector<AddedToken> special_tokens(i64 first_id, const TokenizerConfig& config) {
  std::vector<AddedToken> tokens;
  for (i64 id = first_id; id < first_id + kNumSpecialTokens; ++id) {
    AddedToken token = {.id = static_cast<i32>(id),
                        .content = fmt::format("<|reserved_token_{}|>", id),
                        .normalized = false,
                        .special = true};
    for (const AddedToken& named : config.added_tokens_decoder) {
      if (named.id == id) token.content = named.content;
    }
    tokens.push_back(std::move(token));
  }
  return tokens;
}

}  // namespace

std::vector<Merge> tiktoken_merges(const std::vector<std::string>& tokens) {
  std::unordered_map<std::string_view, i32> ids;
  for (const std::string& token : tokens) ids.emplace(token, static_cast<i32>(ids.size()));
  std::vector<Merge> merges;
  for (const std::string_view token : tokens) {
    for (size_t cut = 1; cut < token.size(); ++cut) {
      const auto left = ids.find(token.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(token.substr(cut));
      if (right != ids.end()) merges.push_back({left->second, right->second});
    }
  }
  return merges;
}

Result<PreTokenizer> kimi_pre_tokenizer(std::string_view where) {
  io::JsonObject pattern, split, byte_level, sequence;
  pattern.set("Regex", kKimiPattern);
  split.set("type", "Split");
  split.set("pattern", std::move(pattern));
  split.set("behavior", "Isolated");
  split.set("invert", false);
  byte_level.set("type", "ByteLevel");
  byte_level.set("add_prefix_space", false);
  byte_level.set("use_regex", false);
  sequence.set("type", "Sequence");
  sequence.set("pretokenizers", io::JsonArray{std::move(split), std::move(byte_level)});
  return PreTokenizer::from_json(sequence, where);
}

Result<TokenizerSpec> parse_tiktoken_model(std::string_view text, const TokenizerConfig& config,
                                           std::string_view where) {
  if (config.tokenizer_class != "TikTokenTokenizer") {
    return unsupported(
        fmt::format("{}: expected tokenizer_class \"TikTokenTokenizer\" in tokenizer_config.json, "
                    "found \"{}\"; give the model a tokenizer.json",
                    where, config.tokenizer_class));
  }
  const Result<std::vector<std::string>> tokens = parse_tokens(text, where);
  if (!tokens) return tl::unexpected(tokens.error());
  Result<PreTokenizer> pre_tokenizer = kimi_pre_tokenizer(where);
  if (!pre_tokenizer) return tl::unexpected(pre_tokenizer.error());
  TokenizerSpec spec;
  for (const std::string& token : *tokens) spec.vocab.push_back(spell_bytes(token));
  spec.merges = tiktoken_merges(*tokens);
  spec.rank_is_merged_id = true;
  spec.ignore_merges = true;
  spec.added_tokens = special_tokens(static_cast<i64>(tokens->size()), config);
  spec.pre_tokenizer = std::move(*pre_tokenizer);
  return spec;
}

}  // namespace fathom::tokenizer
