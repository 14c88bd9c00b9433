#include "cli/arguments/value_check.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace fathom::cli {
namespace {

/// `range` is what help shows, `expected` what messages say.
template <typename Number>
ValueCheck within(Number least, Number most, const std::string& expected,
                  const std::string& range) {
  return {.shown = range,
          .problem = [least, most, expected](const std::string& text) -> std::string {
            Number value{};
            const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
            const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
            if (whole && value >= least && value <= most) return {};
            return fmt::format("found {}, expected {}", text, expected);
          }};
}

template <typename Number>
ValueCheck from(Number least, const char* kind) {
  return within(least, std::numeric_limits<Number>::max(), fmt::format("{} >= {}", kind, least),
                fmt::format(">={}", least));
}

template <typename Number>
ValueCheck between(Number least, Number most, const char* kind) {
  return within(least, most, fmt::format("{} from {} to {}", kind, least, most),
                fmt::format("{}..{}", least, most));
}

}  // namespace

ValueCheck integer_between(long least, long most) { return between(least, most, "an integer"); }
ValueCheck number_between(double least, double most) { return between(least, most, "a number"); }
ValueCheck integer_from(long least) { return from(least, "an integer"); }
ValueCheck number_from(double least) { return from(least, "a number"); }

}  // namespace fathom::cli
