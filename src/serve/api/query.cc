#include "serve/api/query.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/text.h"

namespace fathom::serve {
namespace {

/// nullopt: not well-formed.
std::optional<std::string> decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i] == '+' ? ' ' : text[i];
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned value = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

}  // namespace

ApiResult<std::map<std::string, std::string>> read_query(std::string_view query,
                                                         std::span<const std::string_view> names) {
  std::map<std::string, std::string> values;
  while (!query.empty()) {
    const std::string_view part = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(part.size() + 1, query.size()));
    if (part.empty()) continue;
    const size_t equals = std::min(part.find('='), part.size());
    const auto name = decode(part.substr(0, equals));
    const auto value = decode(part.substr(std::min(equals + 1, part.size())));
    const std::string shown = printable(part.substr(0, 100));
    if (!name || !value) {
      return tl::unexpected(bad_request("invalid_query", "", "query: cannot be decoded: " + shown));
    }
    if (std::ranges::find(names, *name) == names.end()) {
      return tl::unexpected(bad_request(
          "unknown_parameter", printable(name->substr(0, 100)),
          fmt::format("query: found {}, expected some of {}", shown, fmt::join(names, ", "))));
    }
    if (!values.emplace(*name, *value).second) {
      return tl::unexpected(
          bad_request("invalid_query", *name, fmt::format("query: {} stands there twice", *name)));
    }
  }
  return values;
}

}  // namespace fathom::serve
