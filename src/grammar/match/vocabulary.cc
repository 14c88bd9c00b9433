#include "grammar/match/vocabulary.h"

#include <algorithm>
#include <array>
#include <optional>

#include "grammar/match/control_token.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::grammar {
namespace {

/// The characters of a token that is plain: see PlainTokens.
std::optional<i64> plain_characters(std::string_view bytes) {
  if (tokenizer::valid_utf8_prefix_bytes(bytes) != bytes.size()) return std::nullopt;
  i64 count = 0;
  for (const char byte : bytes) {
    const u8 value = static_cast<u8>(byte);
    if (value < 0x20 || value == '"' || value == '\\') return std::nullopt;
    count += (value & 0xC0) != 0x80 ? 1 : 0;
  }
  return count;
}

struct Entry {
  std::string_view bytes;
  i32 id;
};

/// `entries` sorted by bytes, each once.
Trie make_trie(std::span<const Entry> entries) {
  Trie trie;
  std::vector<u32> path;  // the nodes of the token before
  std::string_view before;
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back())
      trie[path.back()].skip = static_cast<u32>(trie.size());
  };
  for (const auto& [bytes, id] : entries) {
    const auto end = std::ranges::mismatch(before, bytes).in2;
    close(static_cast<size_t>(end - bytes.begin()));
    for (size_t depth = path.size(); depth < bytes.size(); ++depth) {
      path.push_back(static_cast<u32>(trie.size()));
      trie.push_back({.depth = static_cast<u16>(depth + 1), .byte = static_cast<u8>(bytes[depth])});
    }
    trie.back().id = id;
    before = bytes;
  }
  close(0);
  return trie;
}

/// Bytes that no UTF-8 text has; among them the one that marks control tokens.
bool is_in_utf8(std::string_view bytes) {
  return std::ranges::none_of(bytes, [](char c) {
    const u8 byte = static_cast<u8>(c);
    return byte == 0xC0 || byte == 0xC1 || byte > 0xF4;
  });
}

std::vector<std::string> grammar_tokens(const tokenizer::Tokenizer& tokenizer) {
  std::vector<std::string> tokens(static_cast<size_t>(tokenizer.vocab_size()));
  for (size_t i = 0; i < tokens.size(); ++i) {
    const i32 id = static_cast<i32>(i);
    if (tokenizer.is_special(id) || tokenizer.is_control(id)) {
      tokens[i] = control_token(tokenizer.token_spelling(id));
    } else if (is_in_utf8(tokenizer.token_bytes(id))) {
      tokens[i] = tokenizer.token_bytes(id);
    }
  }
  return tokens;
}

}  // namespace

Vocabulary::Vocabulary(const tokenizer::Tokenizer& tokenizer)
    : Vocabulary(grammar_tokens(tokenizer)) {
  tokenizer_ = &tokenizer;
}

std::vector<i32> Vocabulary::encode(std::string_view text) const {
  if (tokenizer_ == nullptr) return {};
  return tokenizer_->encode(text, {.text = tokenizer::TextKind::kPlain});
}

Vocabulary::Vocabulary(std::vector<std::string> tokens) : tokens_(std::move(tokens)) {
  // Most tokens are short; a string that is limited to a few more characters still holds those.
  constexpr std::array<i64, 3> kLongest{8, 20, 1 << 16};
  constexpr size_t kMaxTokenBytes = 1 << 12;  // longer ones are never said under a grammar
  std::vector<Entry> sorted;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    const std::string_view bytes = tokens_[id];
    if (!bytes.empty() && bytes.size() <= kMaxTokenBytes) {
      sorted.push_back({bytes, static_cast<i32>(id)});
    }
  }
  std::ranges::sort(sorted, [](const Entry& a, const Entry& b) {
    return std::pair(a.bytes, a.id) < std::pair(b.bytes, b.id);
  });
  std::array<std::vector<Entry>, kLongest.size()> plain;
  std::vector<Entry> others;
  plain_.resize(kLongest.size());
  for (PlainTokens& tokens_of : plain_) tokens_of.set.resize(num_words());
  for (size_t i = 0; i < sorted.size(); ++i) {
    const Entry& entry = sorted[i];
    const i64 bytes = std::ssize(entry.bytes);
    longest_ = std::max(longest_, bytes);
    const auto characters = plain_characters(entry.bytes);
    const size_t group = characters
                             ? static_cast<size_t>(std::ranges::lower_bound(kLongest, *characters) -
                                                   kLongest.begin())
                             : kLongest.size();
    if (characters) {
      add_token(plain_[group].set, entry.id);
      plain_[group].num_characters = std::max(plain_[group].num_characters, *characters);
    }
    if (i > 0 && entry.bytes == sorted[i - 1].bytes) {
      const auto known = duplicates_.empty() || duplicates_.back().second != sorted[i - 1].id
                             ? sorted[i - 1].id
                             : duplicates_.back().first;
      duplicates_.emplace_back(known, entry.id);
      continue;
    }
    (characters ? plain[group] : others).push_back(entry);
  }
  for (size_t group = 0; group < plain.size(); ++group)
    plain_[group].trie = make_trie(plain[group]);
  others_ = make_trie(others);
}

}  // namespace fathom::grammar
