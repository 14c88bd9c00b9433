#include "cli/arguments/every_value.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/types.h"

namespace fathom::cli {
namespace {

/// Texts, and a list of ids that may hold none. Of other options emptiness says nothing.
bool may_be_empty(const CLI::Option& option) {
  constexpr std::array<std::string_view, 5> kTexts = {"--prompt", "--message", "--system", "--text",
                                                      "ids"};
  const bool is_file = option.get_type_name().starts_with("FILE");
  return !is_file && std::ranges::any_of(kTexts, [&option](std::string_view name) {
    return option.check_name(std::string(name));
  });
}

std::string refuse_empty(std::string& text) {
  return text.empty() ? "found an empty text, expected a name or a value" : "";
}

/// Written anew without leading zeros, which the command line's reader would take for octal.
template <typename Number>
std::string require_number(std::string& text, Number least, const std::string& expected) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  Number value{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  const bool finite = std::isfinite(static_cast<double>(value));
  if (!whole || !finite || value < least) {
    return fmt::format("found {}, expected {}", text, expected);
  }
  if constexpr (std::is_integral_v<Number>) text = fmt::format("{}", value);
  return {};
}

std::string require_integer(std::string& text) {
  constexpr i64 kLeast = std::numeric_limits<i64>::min();
  return require_number<i64>(text, kLeast, fmt::format("an integer of at most {}", INT64_MAX));
}
std::string require_unsigned(std::string& text) {
  return require_number<i64>(text, 0, fmt::format("an integer from 0 to {}", INT64_MAX));
}
std::string require_finite(std::string& text) {
  return require_number<double>(text, std::numeric_limits<double>::lowest(), "a finite number");
}

void check_option(CLI::Option& option) {
  if (option.get_expected_max() == 0) return;  // a flag
  const std::string kind = option.get_type_name();
  const auto transform = [&option](std::string (*check)(std::string&)) {
    option.transform(CLI::Validator(check, ""));
  };
  // Each goes before what was added so far.
  if (kind.starts_with("INT") || kind.starts_with("TOKENS")) transform(require_integer);
  if (kind.starts_with("UINT")) transform(require_unsigned);
  if (kind.starts_with("FLOAT")) transform(require_finite);
  if (!may_be_empty(option)) transform(refuse_empty);
}

}  // namespace

void check_every_value(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) check_option(*option);
  for (CLI::App* sub : app.get_subcommands([](CLI::App*) { return true; })) {
    check_every_value(*sub);
  }
}

}  // namespace fathom::cli
