#include "tokenizer/unicode/utf8.h"

#include <cstring>

namespace fathom::tokenizer {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

struct ByteRange {
  u8 first = 0x80;
  u8 last = 0xBF;
};

/// What the byte after `lead` may be (Unicode, table 3-7), and how many bytes the character has;
/// 0 if no character starts with `lead`.
u32 sequence_bytes(u8 lead, ByteRange& second) {
  if (lead < 0x80) return 1;
  if (lead < 0xC2 || lead > 0xF4) return 0;
  if (lead < 0xE0) return 2;
  if (lead == 0xE0) second.first = 0xA0;  // else overlong
  if (lead == 0xED) second.last = 0x9F;   // else a surrogate
  if (lead == 0xF0) second.first = 0x90;  // else overlong
  if (lead == 0xF4) second.last = 0x8F;   // else above U+10FFFF
  return lead < 0xF0 ? 3 : 4;
}

/// Number of leading bytes of `bytes` that are a character or its start; `whole` says which.
size_t well_formed_start(std::string_view bytes, bool& whole) {
  ByteRange allowed;
  const u32 length = sequence_bytes(static_cast<u8>(bytes[0]), allowed);
  size_t count = length == 0 ? 0 : 1;
  for (; count < length && count < bytes.size(); ++count) {
    const auto byte = static_cast<u8>(bytes[count]);
    if (byte < allowed.first || byte > allowed.last) break;
    allowed = ByteRange{};
  }
  whole = length != 0 && count == length;
  return count;
}

}  // namespace

size_t valid_utf8_prefix_bytes(std::string_view bytes) {
  constexpr u64 kHighBits = 0x8080808080808080u;
  size_t pos = 0;
  while (pos < bytes.size()) {
    u64 word = 0;
    while (pos + sizeof word <= bytes.size()) {
      std::memcpy(&word, bytes.data() + pos, sizeof word);
      if ((word & kHighBits) != 0) break;
      pos += sizeof word;
    }
    if (pos == bytes.size()) break;
    bool whole = false;
    const size_t count = well_formed_start(bytes.substr(pos), whole);
    if (!whole) break;
    pos += count;
  }
  return pos;
}

Utf8Defect utf8_defect(std::string_view bytes) {
  bool whole = false;
  const size_t count = well_formed_start(bytes, whole);
  return {.num_bytes = count == 0 ? 1 : count, .truncated = count == bytes.size()};
}

std::string_view valid_utf8(std::string_view text, std::string& storage) {
  size_t valid = valid_utf8_prefix_bytes(text);
  if (valid == text.size()) return text;
  storage.clear();
  storage.reserve(text.size() + 16);
  while (true) {
    storage.append(text.substr(0, valid));
    text.remove_prefix(valid);
    if (text.empty()) return storage;
    storage.append(kReplacement);
    text.remove_prefix(utf8_defect(text).num_bytes);
    valid = valid_utf8_prefix_bytes(text);
  }
}

void append_utf8(char32_t code_point, std::string& out) {
  const auto push = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  const auto tail = [&](u32 shift) { push(0x80 | ((code_point >> shift) & 0x3F)); };
  if (code_point < 0x80) return push(code_point);
  if (code_point < 0x800) {
    push(0xC0 | code_point >> 6);
  } else if (code_point < 0x10000) {
    push(0xE0 | code_point >> 12);
    tail(6);
  } else {
    push(0xF0 | code_point >> 18);
    tail(12);
    tail(6);
  }
  tail(0);
}

}  // namespace fathom::tokenizer
