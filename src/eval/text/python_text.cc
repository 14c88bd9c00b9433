#include "eval/text/python_text.h"

#include "tokenizer/unicode/utf8.h"

namespace fathom::eval {
namespace {

using tokenizer::append_utf8;
using tokenizer::decode_utf8;

/// Letters whose large and small forms alternate: even is large.
bool is_paired_even(char32_t c) {
  return (c >= 0x100 && c <= 0x137) || (c >= 0x14A && c <= 0x177) || (c >= 0x1E00 && c <= 0x1E95) ||
         (c >= 0x1EA0 && c <= 0x1EFF) || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) ||
         (c >= 0x4D0 && c <= 0x52F);
}
/// The same where odd is large.
bool is_paired_odd(char32_t c) { return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E); }

char32_t lower_of(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
      (c >= 0x410 && c <= 0x42F)) {
    return c + 32;
  }
  if (c >= 0x400 && c <= 0x40F) return c + 80;
  if (c == 0x130 || c == 0x131) return c;
  if (is_paired_even(c)) return c | 1;
  if (is_paired_odd(c)) return c % 2 == 1 ? c + 1 : c;
  return c == 0x178 ? 0xFF : c;
}

char32_t upper_of(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  if ((c >= 0xE0 && c <= 0xFE && c != 0xF7) || (c >= 0x3B1 && c <= 0x3C9 && c != 0x3C2) ||
      (c >= 0x430 && c <= 0x44F)) {
    return c - 32;
  }
  if (c == 0x3C2) return 0x3A3;
  if (c >= 0x450 && c <= 0x45F) return c - 80;
  if (c == 0x130 || c == 0x131) return c;
  if (is_paired_even(c)) return c & ~char32_t{1};
  if (is_paired_odd(c)) return c % 2 == 0 ? c - 1 : c;
  return c == 0xFF ? 0x178 : c;
}

template <typename F>
std::string mapped(std::string_view text, F map) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto point = decode_utf8(text, at);
    append_utf8(map(point.value), out);
    at += point.num_bytes;
  }
  return out;
}

}  // namespace

i64 num_characters(std::string_view text) {
  i64 count = 0;
  for (const char c : text) count += (static_cast<u8>(c) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

std::string lower(std::string_view text) { return mapped(text, lower_of); }
std::string upper(std::string_view text) { return mapped(text, upper_of); }

std::string capitalize(std::string_view text) {
  bool first = true;
  return mapped(text, [&first](char32_t c) {
    const char32_t out = first ? upper_of(c) : lower_of(c);
    first = false;
    return out;
  });
}

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  for (size_t at = 0;;) {
    const size_t found = text.find(from, at);
    out += text.substr(at, found - at);
    if (found == text.npos) return out;
    out += to;
    at = found + from.size();
  }
}

std::vector<std::string> split(std::string_view text, std::string_view separator) {
  std::vector<std::string> parts;
  if (!separator.empty()) {
    for (size_t at = 0;;) {
      const size_t found = text.find(separator, at);
      parts.emplace_back(text.substr(at, found - at));
      if (found == text.npos) return parts;
      at = found + separator.size();
    }
  }
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const auto point = decode_utf8(text, at);
    if (tokenizer::is_python_space(point.value)) {
      if (begin < at) parts.emplace_back(text.substr(begin, at - begin));
      begin = at + point.num_bytes;
    }
    at += point.num_bytes;
  }
  if (begin < text.size()) parts.emplace_back(text.substr(begin));
  return parts;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string out;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

}  // namespace fathom::eval
