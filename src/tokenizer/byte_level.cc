#include "tokenizer/byte_level.h"

#include <array>

#include "base/types.h"
#include "tokenizer/unicode/utf8.h"

namespace fathom::tokenizer {
namespace {

constexpr size_t kNumBytes = 256;
constexpr char32_t kFirstSubstitute = 0x100;
constexpr size_t kNumCharacters = 0x144;  // 68 bytes have a substitute: U+0100..U+0143

struct Alphabet {
  std::array<char32_t, kNumBytes> character_of{};
  std::array<i16, kNumCharacters> byte_of{};
};

/// Printable Latin-1 characters stand for themselves, the rest for the next code point from U+0100.
constexpr Alphabet make_alphabet() {
  Alphabet alphabet;
  alphabet.byte_of.fill(-1);
  char32_t substitute = kFirstSubstitute;
  for (u32 byte = 0; byte < kNumBytes; ++byte) {
    const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const char32_t character = printable ? byte : substitute++;
    alphabet.character_of[byte] = character;
    alphabet.byte_of[character] = static_cast<i16>(byte);
  }
  return alphabet;
}

constexpr Alphabet kAlphabet = make_alphabet();

}  // namespace

std::string spell_bytes(std::string_view bytes) {
  std::string spelling;
  spelling.reserve(bytes.size() * 2);
  for (const char byte : bytes)
    append_utf8(kAlphabet.character_of[static_cast<u8>(byte)], spelling);
  return spelling;
}

std::optional<std::string> unspell_bytes(std::string_view spelling) {
  std::string bytes;
  bytes.reserve(spelling.size());
  for (size_t pos = 0; pos < spelling.size();) {
    const CodePoint character = decode_utf8(spelling, pos);
    if (character.value >= kNumCharacters || kAlphabet.byte_of[character.value] < 0) {
      return std::nullopt;
    }
    bytes.push_back(static_cast<char>(kAlphabet.byte_of[character.value]));
    pos += character.num_bytes;
  }
  return bytes;
}

}  // namespace fathom::tokenizer
