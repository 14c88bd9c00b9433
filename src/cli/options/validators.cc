#include "cli/options/validators.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <limits>

namespace fathom::cli {
namespace {

/// `range` is what help shows, `expected` what messages say.
template <typename Number>
CLI::Validator within(Number least, Number most, const std::string& expected,
                      const std::string& range) {
  return CLI::Validator(
      [least, most, expected](std::string& text) -> std::string {
        Number value{};
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
        if (whole && value >= least && value <= most) return {};
        return fmt::format("found {}, expected {}", text, expected);
      },
      range);
}

template <typename Number>
CLI::Validator from(Number least, const char* kind) {
  return within(least, std::numeric_limits<Number>::max(), fmt::format("{} >= {}", kind, least),
                fmt::format(">={}", least));
}

template <typename Number>
CLI::Validator between(Number least, Number most, const char* kind) {
  return within(least, most, fmt::format("{} from {} to {}", kind, least, most),
                fmt::format("{}..{}", least, most));
}

}  // namespace

CLI::Validator integer_between(long least, long most) { return between(least, most, "an integer"); }
CLI::Validator number_between(double least, double most) {
  return between(least, most, "a number");
}
CLI::Validator integer_from(long least) { return from(least, "an integer"); }
CLI::Validator number_from(double least) { return from(least, "a number"); }

}  // namespace fathom::cli
