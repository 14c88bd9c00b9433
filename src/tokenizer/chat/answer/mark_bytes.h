#pragma once
// Marks inside a text. A mark that the vocabulary has as a token is written as one byte that no
// UTF-8 text holds, any other one as it is spelled: so one search finds both, and text that spells
// a token is never taken for it.
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "base/types.h"

namespace fathom::tokenizer {

/// White space around marks and JSON.
inline constexpr std::string_view kSpace = " \t\r\n";

class MarkBytes {
 public:
  /// `tokens`: spellings of the marks that are tokens.
  explicit MarkBytes(std::set<std::string, std::less<>> tokens) : tokens_(std::move(tokens)) {}
  /// What stands for the mark in a text.
  std::string operator()(std::string_view spelling) const;

  static bool is_token(char c) { return static_cast<u8>(c) >= 0xF5; }
  static bool has_token(std::string_view text);
  static std::string without_tokens(std::string_view text);

 private:
  std::set<std::string, std::less<>> tokens_;
};

}  // namespace fathom::tokenizer
