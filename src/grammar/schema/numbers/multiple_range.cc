#include "grammar/schema/numbers/multiple_range.h"

#include <algorithm>
#include <string>
#include <vector>

#include "grammar/schema/numbers/integer_text.h"

namespace fathom::grammar {
namespace {

/// Counts in units of 10^-places: a number is all its digits, read as one integer.
class Multiples {
 public:
  Multiples(RegexArena& arena, const MultipleOf& of) : arena_(arena), of_(of) {}

  Regex between(std::string low, const std::optional<std::string>& high) {
    if (high && is_less(*high, low)) return arena_.nothing();
    low = padded(std::move(low));
    if (high && padded(*high).size() == low.size()) return of_one_length(low, padded(*high));
    std::vector<Regex> choices{of_one_length(low, std::string(low.size(), '9'))};
    choices.push_back(of_lengths(low.size() + 1, high ? high->size() - 1 : kAnyLength));
    if (high) {
      choices.push_back(of_one_length("1" + std::string(high->size() - 1, '0'), *high));
    }
    return arena_.alternate(std::move(choices));
  }

  std::string least_unit_from(const DecimalBound& low) const {
    const auto [units, exact] = in_units(low.value);
    return exact && !low.exclusive ? units : next_integer(units);
  }
  /// nullopt: there is none.
  std::optional<std::string> greatest_unit_to(const DecimalBound& high) const {
    const auto [units, exact] = in_units(high.value);
    if (!exact || !high.exclusive) return units;
    return units == "0" ? std::nullopt : std::optional(previous_integer(units));
  }

 private:
  static constexpr size_t kAnyLength = ~size_t{0};
  /// From digit number `at` on. Tight: the digits so far are those of that bound.
  struct Place {
    size_t at = 0;
    u64 remainder = 0;
    bool low_tight = true, high_tight = true;
  };

  struct Units {
    std::string count;
    bool exact;  // or is there more behind it?
  };
  Units in_units(const Decimal& value) const {
    std::string fraction = value.fraction();
    const bool exact = fraction.size() <= of_.places;
    fraction.resize(of_.places, '0');
    std::string units = value.integer_part() + fraction;
    units.erase(0, std::min(units.find_first_not_of('0'), units.size() - 1));
    return {units, exact};
  }

  /// With a digit before the point at least.
  std::string padded(std::string units) const {
    const size_t least = size_t{of_.places} + 1;
    if (units.size() < least) units.insert(0, least - units.size(), '0');
    return units;
  }

  /// All of these many digits, the first of them no 0; both among them.
  Regex of_lengths(size_t least, size_t most) {
    if (least > most) return arena_.nothing();
    std::vector<Regex> choices;
    for (char first = '1'; first <= '9'; ++first) {
      MultipleOf rest = of_;
      rest.remainder = next_remainder(0, first);
      rest.min_digits = static_cast<u32>(least - 1 - of_.places);
      rest.max_digits = most == kAnyLength ? kUnbounded : static_cast<u32>(most - 1 - of_.places);
      choices.push_back(
          arena_.concat(digits_between(arena_, first, first), arena_.multiple_of(rest)));
    }
    return arena_.alternate(std::move(choices));
  }

  Regex of_one_length(const std::string& low, const std::string& high) {
    low_ = low;
    high_ = high;
    return from({});
  }

  Regex from(const Place& place) {
    if ((!place.low_tight && !place.high_tight) || place.at == low_.size()) return any_from(place);
    const size_t integer_digits = low_.size() - of_.places;
    if (place.at < integer_digits) return digits_from(place);
    // The integer part is there. What is not written is zeros.
    const bool low_is_reached =
        !place.low_tight || low_.find_first_not_of('0', place.at) == std::string::npos;
    const bool may_end = low_is_reached && arena_.nullable(any_from(place));
    Regex more = digits_from(place);
    if (place.at == integer_digits) more = arena_.concat(arena_.literal("."), more);
    return may_end ? arena_.optional(more) : more;
  }

  Regex digits_from(const Place& place) {
    const char first = place.low_tight ? low_[place.at] : '0';
    const char last = place.high_tight ? high_[place.at] : '9';
    std::vector<Regex> choices;
    for (char digit = first; digit <= last; ++digit) {
      const Regex rest = from({.at = place.at + 1,
                               .remainder = next_remainder(place.remainder, digit),
                               .low_tight = place.low_tight && digit == first,
                               .high_tight = place.high_tight && digit == last});
      choices.push_back(arena_.concat(digits_between(arena_, digit, digit), rest));
    }
    return arena_.alternate(std::move(choices));
  }

  /// As many digits as the bounds have, whatever they are, and zeros behind them.
  Regex any_from(const Place& place) {
    const size_t integer_digits = low_.size() - of_.places;
    MultipleOf rest = of_;
    rest.remainder = place.remainder;
    rest.min_digits = place.at < integer_digits ? static_cast<u32>(integer_digits - place.at) : 0;
    rest.max_digits = rest.min_digits;
    if (place.at > integer_digits) {
      rest.next = MultipleOf::Next::kFractionOrEnd;
      rest.places = static_cast<u32>(low_.size() - place.at);
    }
    return arena_.multiple_of(rest);
  }

  u64 next_remainder(u64 remainder, char digit) const {
    const auto value =
        static_cast<unsigned __int128>(remainder) * 10 + static_cast<u64>(digit - '0');
    return static_cast<u64>(value % of_.modulus);
  }

  RegexArena& arena_;
  MultipleOf of_;
  std::string low_, high_;  // of the length that is being made
};

}  // namespace

Regex multiples_between(RegexArena& arena, const DecimalBound& low,
                        const std::optional<DecimalBound>& high, const MultipleOf& of) {
  Multiples multiples(arena, of);
  const std::string first = multiples.least_unit_from(low);
  if (!high) return multiples.between(first, std::nullopt);
  const std::optional<std::string> last = multiples.greatest_unit_to(*high);
  return last ? multiples.between(first, last) : arena.nothing();
}

}  // namespace fathom::grammar
