#pragma once
// The tokens of a vocabulary as tries of their bytes.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace fathom::tokenizer {
class Tokenizer;
}

namespace fathom::grammar {

/// A set of token ids: bit i % 32 of word i / 32.
using TokenSet = std::vector<u32>;

inline void add_token(TokenSet& set, i32 id) {
  set[static_cast<size_t>(id) / 32] |= u32{1} << (static_cast<u32>(id) % 32);
}
inline bool has_token(std::span<const u32> set, i32 id) {
  const size_t word = static_cast<size_t>(id) / 32;
  return word < set.size() && (set[word] >> (static_cast<u32>(id) % 32) & 1) != 0;
}

/// Nodes in depth-first order: a node's children follow it up to `skip`.
struct TrieNode {
  u32 skip = 0;   // the next node that does not begin with this one's bytes
  i32 id = -1;    // the token that ends here
  u16 depth = 0;  // bytes up to here, >= 1
  u8 byte = 0;
};
using Trie = std::vector<TrieNode>;

/// Tokens that consist of whole characters which a JSON string holds unescaped. What allows
/// `num_characters` of them in any order allows all of the tokens: no need to walk them.
struct PlainTokens {
  i64 num_characters = 0;  // the longest token has so many
  TokenSet set;
  Trie trie;
};

class Vocabulary {
 public:
  /// `tokens`: bytes by id; those of none never come.
  explicit Vocabulary(std::vector<std::string> tokens);
  /// Control tokens are known by control_token(); tokens that no UTF-8 text holds never come.
  /// `tokenizer` outlives this.
  explicit Vocabulary(const tokenizer::Tokenizer& tokenizer);

  /// `text`, valid UTF-8, as the tokenizer cuts it; nothing without a tokenizer.
  std::vector<i32> encode(std::string_view text) const;

  i64 size() const { return std::ssize(tokens_); }
  std::string_view bytes(i32 id) const {
    const bool known = id >= 0 && static_cast<size_t>(id) < tokens_.size();
    return known ? std::string_view(tokens_[static_cast<size_t>(id)]) : std::string_view();
  }
  size_t num_words() const { return (tokens_.size() + 31) / 32; }
  /// By length, ascending; with other_tokens() they hold every token once.
  std::span<const PlainTokens> plain_tokens() const { return plain_; }
  const Trie& other_tokens() const { return others_; }
  i64 longest_token() const { return longest_; }
  /// Ids that spell the same bytes as another: (the one in the trie, the other).
  std::span<const std::pair<i32, i32>> duplicates() const { return duplicates_; }

 private:
  const tokenizer::Tokenizer* tokenizer_ = nullptr;
  std::vector<std::string> tokens_;
  std::vector<PlainTokens> plain_;
  Trie others_;
  std::vector<std::pair<i32, i32>> duplicates_;
  i64 longest_ = 0;
};

}  // namespace fathom::grammar
