#include <charconv>

#include "io/json_sax.h"

namespace fathom::io::sax {
namespace {

constexpr size_t kEscapeBytes = 6;  // \uXXXX

/// The code unit of an escape that begins at `at`; -1 if there is none.
int escaped_unit(std::string_view json, size_t at) {
  if (at + kEscapeBytes > json.size() || json[at] != '\\' || json[at + 1] != 'u') return -1;
  int unit = -1;
  const char* const begin = json.data() + at + 2;
  const auto [end, error] = std::from_chars(begin, begin + 4, unit, 16);
  return error == std::errc() && end == begin + 4 ? unit : -1;
}

bool is_high(int unit) { return unit >= 0xD800 && unit < 0xDC00; }
bool is_low(int unit) { return unit >= 0xDC00 && unit < 0xE000; }

}  // namespace

std::string without_lone_surrogates(std::string_view json) {
  std::string text(json);
  // A backslash outside strings is an error wherever it stands, so strings need not be told apart.
  for (size_t at = text.find('\\'); at != std::string::npos; at = text.find('\\', at)) {
    const int unit = escaped_unit(text, at);
    if (is_high(unit) && is_low(escaped_unit(text, at + kEscapeBytes))) {
      at += 2 * kEscapeBytes;
    } else if (is_high(unit) || is_low(unit)) {
      text.replace(at + 2, 4, "fffd");
      at += kEscapeBytes;
    } else {
      at += 2;
    }
  }
  return text;
}

}  // namespace fathom::io::sax
