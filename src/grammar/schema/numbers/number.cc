#include "grammar/schema/numbers/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "grammar/schema/numbers/decimal_range.h"
#include "grammar/schema/numbers/multiple_range.h"

namespace fathom::grammar {
namespace {

constexpr i64 kMaxDoubleExponent =
    307;  // within what a double holds, whatever the digits before it

/// Magnitudes on one side of 0.
struct Magnitudes {
  DecimalBound low;
  std::optional<DecimalBound> high;
};

/// Of the numbers in `range` that are >= 0 ("0" among them if it is), if there are any.
std::optional<Magnitudes> at_or_above_zero(const NumberRange& range) {
  if (range.max && range.max->negative) return std::nullopt;
  Magnitudes magnitudes;
  if (range.min && !range.min->negative) magnitudes.low = {*range.min, range.exclusive_min};
  if (range.max) magnitudes.high = {*range.max, range.exclusive_max};
  return magnitudes;
}

NumberRange mirrored(const NumberRange& range) {
  NumberRange mirror;
  if (range.max) mirror.min = -*range.max;
  if (range.min) mirror.max = -*range.min;
  mirror.exclusive_min = range.exclusive_max;
  mirror.exclusive_max = range.exclusive_min;
  return mirror;
}

/// An e and an exponent from `low` to `high`.
Regex exponents_between(RegexArena& arena, i64 low, i64 high) {
  low = std::max(low, -kMaxDoubleExponent);
  high = std::min(high, kMaxDoubleExponent);
  if (low > high) return arena.nothing();
  const Regex zeros = arena.star(digits_between(arena, '0', '0'));
  const auto integers = [&](i64 from, i64 to) {
    return arena.concat(zeros, integers_between(arena, std::to_string(from), std::to_string(to)));
  };
  std::vector<Regex> choices;
  if (high >= 0) {
    const Regex sign = arena.optional(arena.literal("+"));
    choices.push_back(arena.concat(sign, integers(std::max<i64>(low, 0), high)));
  }
  if (low <= 0) {
    choices.push_back(arena.concat(arena.literal("-"), integers(std::max<i64>(-high, 0), -low)));
  }
  const Regex e = arena.bytes(ByteSet::of('e') | ByteSet::of('E'));
  return arena.concat(e, arena.alternate(std::move(choices)));
}

/// d.ddd * 10^exponent.
struct Scientific {
  Decimal mantissa;
  i64 exponent;
};

Scientific scientific(const Decimal& value) {
  const i64 behind_point = std::ssize(value.digits) - 1;
  return {{.digits = value.digits, .exponent = -behind_point}, value.exponent + behind_point};
}

/// Spellings such as 1.5e-7 of the magnitudes, but for 0.
Regex with_exponent(RegexArena& arena, const Magnitudes& magnitudes) {
  const DecimalBound one{*Decimal::parse("1")}, ten{*Decimal::parse("10"), true};
  const auto spell = [&](const DecimalBound& low, const DecimalBound& high, i64 from, i64 to) {
    return arena.concat(decimals_between(arena, low, high), exponents_between(arena, from, to));
  };
  const auto& [low, high] = magnitudes;
  if (high && (high->value.is_zero() || high->value < low.value)) return arena.nothing();
  i64 above = -kMaxDoubleExponent, below = kMaxDoubleExponent;
  std::vector<Regex> choices;
  if (!low.value.is_zero()) {
    const auto [mantissa, exponent] = scientific(low.value);
    above = exponent + 1;
    const bool one_exponent = high && scientific(high->value).exponent == exponent;
    const DecimalBound end =
        one_exponent ? DecimalBound{scientific(high->value).mantissa, high->exclusive} : ten;
    choices.push_back(spell({mantissa, low.exclusive}, end, exponent, exponent));
    if (one_exponent) return choices[0];
  }
  if (high) {
    const auto [mantissa, exponent] = scientific(high->value);
    below = exponent - 1;
    choices.push_back(spell(one, {mantissa, high->exclusive}, exponent, exponent));
  }
  choices.push_back(spell(one, ten, above, below));
  return arena.alternate(std::move(choices));
}

Regex with_any_exponent(RegexArena& arena) {
  const Regex digits = arena.repeat(digits_between(arena, '0', '9'), 1, kUnbounded);
  const Regex sign = arena.optional(arena.bytes(ByteSet::of('+') | ByteSet::of('-')));
  const Regex e = arena.bytes(ByteSet::of('e') | ByteSet::of('E'));
  return arena.concat({arena.optional(arena.literal("-")),
                       decimals_between(arena, {}, std::nullopt),
                       arena.optional(arena.concat({e, sign, digits}))});
}

/// `multiple`: of which the numbers are multiples, if of any.
Regex without_sign(RegexArena& arena, const Magnitudes& magnitudes, bool integer,
                   const std::optional<MultipleOf>& multiple) {
  const auto& [low, high] = magnitudes;
  if (multiple) return multiples_between(arena, low, high, *multiple);
  if (integer) return whole_decimals_between(arena, low, high);
  return arena.alternate(decimals_between(arena, low, high), with_exponent(arena, magnitudes));
}

Regex in_bounds(RegexArena& arena, const NumberRange& range,
                const std::optional<MultipleOf>& multiple) {
  std::vector<Regex> choices;
  if (const auto above = at_or_above_zero(range)) {
    choices.push_back(without_sign(arena, *above, range.integer, multiple));
  }
  if (const auto below = at_or_above_zero(mirrored(range))) {
    choices.push_back(
        arena.concat(arena.literal("-"), without_sign(arena, *below, range.integer, multiple)));
  }
  return arena.alternate(std::move(choices));
}

/// nullopt if it has too many digits.
std::optional<MultipleOf> modulus_of(const Decimal& divisor, bool integer) {
  constexpr i64 kMaxDigits = 18;
  const i64 places = std::max<i64>(0, -divisor.exponent);
  const i64 zeros = std::max<i64>(0, divisor.exponent);
  if (std::ssize(divisor.digits) + zeros > kMaxDigits || places > kMaxDigits) return std::nullopt;
  MultipleOf multiple{.modulus = std::stoull(divisor.digits), .places = static_cast<u32>(places)};
  for (i64 i = 0; i < zeros; ++i) multiple.modulus *= 10;
  if (!integer) return multiple;
  // v * 10^places is a multiple of m just where the integer v is one of m / gcd(m, 10^places).
  for (; multiple.places > 0; --multiple.places) {
    multiple.modulus /= std::gcd(multiple.modulus, u64{10});
  }
  return multiple;
}

}  // namespace

Result<Regex> number_regex(RegexArena& arena, const NumberRange& range) {
  if (!range.multiple_of) {
    const bool anything = !range.min && !range.max && !range.integer;
    return anything ? with_any_exponent(arena) : in_bounds(arena, range, std::nullopt);
  }
  const Decimal& divisor = *range.multiple_of;
  if (divisor.is_zero() || divisor.negative) {
    return invalid_input("a multiple of what is not above 0");
  }
  const std::optional<MultipleOf> multiple = modulus_of(divisor, range.integer);
  if (!multiple) {
    const std::string fraction = divisor.fraction();
    return unsupported(fmt::format("multiples of {}{}{}: more than 18 digits are not supported",
                                   divisor.integer_part(), fraction.empty() ? "" : ".", fraction));
  }
  return in_bounds(arena, range, multiple);
}

}  // namespace fathom::grammar
