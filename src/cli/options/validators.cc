#include "cli/options/validators.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

namespace fathom::cli {
namespace {

template <typename Number>
CLI::Validator from(Number least, const char* kind) {
  return CLI::Validator(
      [least, kind](std::string& text) -> std::string {
        Number value{};
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
        if (whole && value >= least) return {};
        return fmt::format("found {}, expected {} >= {}", text, kind, least);
      },
      fmt::format(">={}", least));
}

}  // namespace

CLI::Validator integer_between(long least, long most) {
  return CLI::Validator(
      [least, most](std::string& text) -> std::string {
        long value = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
        if (whole && value >= least && value <= most) return {};
        return fmt::format("found {}, expected an integer from {} to {}", text, least, most);
      },
      fmt::format("{}..{}", least, most));
}

CLI::Validator integer_from(long least) { return from(least, "an integer"); }
CLI::Validator number_from(double least) { return from(least, "a number"); }

}  // namespace fathom::cli
