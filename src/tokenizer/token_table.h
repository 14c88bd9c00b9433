#pragma once
// Every id's spelling, bytes and flags: the vocabulary with the added tokens laid over it.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "tokenizer/tokenizer_spec.h"

namespace fathom::tokenizer {

class TokenTable {
 public:
  /// Checks that ids run from 0 without gaps as Hugging Face would number them, and that no text
  /// has two ids. Keeps views into `spec`, which must outlive it and stay put.
  static Result<TokenTable> build(const TokenizerSpec& spec, const std::string& where);

  i64 size() const { return static_cast<i64>(spellings_.size()); }
  bool has(i32 id) const { return id >= 0 && static_cast<size_t>(id) < spellings_.size(); }
  std::optional<i32> find(std::string_view spelling) const;
  /// Empty outside the table.
  std::string_view spelling(i32 id) const { return has(id) ? spellings_[index(id)] : ""; }
  std::string_view bytes(i32 id) const {
    return has(id) ? std::string_view(bytes_[index(id)]) : "";
  }
  bool is_special(i32 id) const { return has(id) && (flags_[index(id)] & kSpecial) != 0; }
  bool is_control(i32 id) const { return has(id) && (flags_[index(id)] & kControl) != 0; }
  /// Is it spelled in the byte alphabet, so that text can become it without being an added token?
  bool is_byte_level(i32 id) const { return has(id) && (flags_[index(id)] & kByteLevel) != 0; }
  /// The token of each single byte: unk_id or, without one, -1 for a byte that has none.
  const std::array<i32, 256>& byte_ids() const { return byte_ids_; }
  /// Does a byte that UTF-8 text can hold have no token of its own? Some trained vocabularies lack
  /// control characters.
  bool is_incomplete() const { return is_incomplete_; }
  bool is_missing(char byte) const { return missing_[static_cast<u8>(byte)]; }

 private:
  enum : u8 { kSpecial = 1, kControl = 2, kByteLevel = 4 };

  static size_t index(i32 id) { return static_cast<size_t>(id); }
  Result<void> add_vocab(const TokenizerSpec& spec, const std::string& where);
  Result<void> add_added_tokens(const TokenizerSpec& spec, const std::string& where);
  Result<void> check_bytes(const TokenizerSpec& spec, const std::string& where);

  std::unordered_map<std::string_view, i32> ids_;
  std::vector<std::string_view> spellings_;
  std::vector<std::string> bytes_;
  std::vector<u8> flags_;
  std::array<i32, 256> byte_ids_{};
  std::array<bool, 256> missing_{};  // no token of its own
  bool is_incomplete_ = false;
};

}  // namespace fathom::tokenizer
