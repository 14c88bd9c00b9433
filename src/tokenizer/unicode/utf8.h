#pragma once
// UTF-8 at the tokenizer's edge. Text that comes in is made valid first, by the W3C practice that
// Python's bytes.decode(errors="replace") and Rust's from_utf8_lossy share: each maximal subpart of
// an ill-formed sequence becomes one U+FFFD. Everything behind that edge may rely on valid UTF-8.
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::tokenizer {

/// `text` itself when it is valid UTF-8, else a repaired copy kept in `storage`.
std::string_view valid_utf8(std::string_view text, std::string& storage);

/// The length of the longest prefix of `bytes` that is valid UTF-8.
size_t valid_utf8_prefix_bytes(std::string_view bytes);

/// At bytes[0], where no valid character starts: how many bytes one U+FFFD replaces (>= 1);
/// `truncated` is set when all of `bytes` is the unfinished start of a possible character.
struct Utf8Defect {
  size_t num_bytes = 1;
  bool truncated = false;
};
Utf8Defect utf8_defect(std::string_view bytes);

struct CodePoint {
  char32_t value = 0;
  u32 num_bytes = 1;
};

/// Decodes the character at text[pos]; `text` must be valid UTF-8 and pos a character's start.
inline CodePoint decode_utf8(std::string_view text, size_t pos) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<u8>(text[pos + i])); };
  const char32_t b0 = byte(0);
  if (b0 < 0x80) return {b0, 1};
  if (b0 < 0xE0) return {(b0 & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (b0 < 0xF0) return {(b0 & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  return {(b0 & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F), 4};
}

void append_utf8(char32_t code_point, std::string& out);

}  // namespace fathom::tokenizer
