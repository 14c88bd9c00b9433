#include "grammar/schema/numbers/decimal_range.h"

#include <string>
#include <vector>

#include "grammar/regex/symbol_range.h"
#include "grammar/schema/numbers/integer_text.h"

namespace fathom::grammar {
namespace {

std::vector<u32> values(std::string_view digits) {
  std::vector<u32> all;
  for (const char digit : digits) all.push_back(static_cast<u32>(digit - '0'));
  return all;
}

/// The digits behind a point.
class Fractions {
 public:
  explicit Fractions(RegexArena& arena)
      : arena_(arena),
        zeros_(arena.star(digits_between(arena, '0', '0'))),
        any_(arena.star(digits_between(arena, '0', '9'))) {}

  /// "" or ".25" and so on, not less than 0.`low`; `low` ends in no zero.
  Regex at_least(std::string_view low, bool exclusive) {
    if (low.empty() && !exclusive) return any_fraction(arena_);
    return arena_.concat(point(), digits_at_least(low, exclusive));
  }
  /// As at_least().
  Regex at_most(std::string_view high, bool exclusive) {
    if (high.empty()) return exclusive ? arena_.nothing() : zero();
    return arena_.optional(arena_.concat(point(), digits_at_most(high, exclusive)));
  }
  /// "", ".0", ".00" and so on.
  Regex zero() {
    const Regex one_zero = digits_between(arena_, '0', '0');
    return arena_.optional(arena_.concat({point(), one_zero, zeros_}));
  }

 private:
  Regex point() { return arena_.literal("."); }

  Regex digits_at_least(std::string_view low, bool exclusive) {
    Regex regex = any_;
    if (exclusive) regex = arena_.concat({zeros_, digits_between(arena_, '1', '9'), any_});
    for (size_t i = low.size(); i-- > 0;) {
      const Regex same = arena_.concat(digits_between(arena_, low[i], low[i]), regex);
      regex = low[i] == '9' ? same : arena_.alternate(same, greater(low[i]));
    }
    return regex;
  }
  Regex greater(char digit) {
    return arena_.concat(digits_between(arena_, static_cast<char>(digit + 1), '9'), any_);
  }

  // Behind all digits of `high` only zeros may follow. Before that the text may end, since the rest
  // of `high` is more than nothing; but not at the point.
  Regex digits_at_most(std::string_view high, bool exclusive) {
    Regex regex = exclusive ? arena_.nothing() : zeros_;
    for (size_t i = high.size(); i-- > 0;) {
      std::vector<Regex> choices{i == 0 ? arena_.nothing() : arena_.empty()};
      choices.push_back(arena_.concat(digits_between(arena_, high[i], high[i]), regex));
      if (high[i] != '0') {
        const char below = static_cast<char>(high[i] - 1);
        choices.push_back(arena_.concat(digits_between(arena_, '0', below), any_));
      }
      regex = arena_.alternate(std::move(choices));
    }
    return regex;
  }

  RegexArena& arena_;
  Regex zeros_, any_;
};

}  // namespace

Regex digits_between(RegexArena& arena, char first, char last) {
  return arena.bytes(ByteSet::range(static_cast<u8>(first), static_cast<u8>(last)));
}

Regex any_fraction(RegexArena& arena) {
  const Regex digits = arena.repeat(digits_between(arena, '0', '9'), 1, kUnbounded);
  return arena.optional(arena.concat(arena.literal("."), digits));
}

Regex integers_between(RegexArena& arena, std::string_view low, std::optional<std::string> high) {
  if (high && is_less(*high, low)) return arena.nothing();
  const auto digits = [&](u32 first, u32 last) {
    return digits_between(arena, static_cast<char>('0' + first), static_cast<char>('0' + last));
  };
  const auto of_one_length = [&](std::string_view from, std::string_view to) {
    return symbols_between(arena, values(from), values(to),
                           {.first = 0, .last = 9, .between = digits});
  };
  if (high && high->size() == low.size()) return of_one_length(low, *high);
  std::vector<Regex> choices{of_one_length(low, std::string(low.size(), '9'))};
  const auto longer = static_cast<u32>(low.size());  // digits behind the first of longer ones
  const u32 end = high ? static_cast<u32>(high->size()) - 1 : kUnbounded;
  if (longer < end) {
    const u32 most = high ? end - 1 : kUnbounded;
    choices.push_back(arena.concat(digits(1, 9), arena.repeat(digits(0, 9), longer, most)));
  }
  if (high) choices.push_back(of_one_length("1" + std::string(high->size() - 1, '0'), *high));
  return arena.alternate(std::move(choices));
}

Regex decimals_between(RegexArena& arena, const DecimalBound& low,
                       const std::optional<DecimalBound>& high) {
  Fractions fractions(arena);
  const std::string low_integer = low.value.integer_part();
  const Regex from_low = fractions.at_least(low.value.fraction(), low.exclusive);
  if (!high) {
    return arena.alternate(
        arena.concat(arena.literal(low_integer), from_low),
        arena.concat(integers_between(arena, next_integer(low_integer), std::nullopt),
                     any_fraction(arena)));
  }
  const std::string high_integer = high->value.integer_part();
  const Regex to_high = fractions.at_most(high->value.fraction(), high->exclusive);
  if (is_less(high_integer, low_integer)) return arena.nothing();
  if (low_integer == high_integer) {
    const Regex between =
        from_low == any_fraction(arena) ? to_high : arena.intersect(from_low, to_high);
    if (arena.matches_nothing(between)) return arena.nothing();
    return arena.concat(arena.literal(low_integer), between);
  }
  const Regex inside =
      integers_between(arena, next_integer(low_integer), previous_integer(high_integer));
  return arena.alternate({arena.concat(arena.literal(low_integer), from_low),
                          arena.concat(inside, any_fraction(arena)),
                          arena.concat(arena.literal(high_integer), to_high)});
}

Regex whole_decimals_between(RegexArena& arena, const DecimalBound& low,
                             const std::optional<DecimalBound>& high) {
  std::string first = low.value.integer_part();
  if (low.exclusive || !low.value.fraction().empty()) first = next_integer(first);
  std::optional<std::string> last;
  if (high) {
    last = high->value.integer_part();
    if (high->exclusive && high->value.fraction().empty()) {
      if (*last == "0") return arena.nothing();
      last = previous_integer(*last);
    }
  }
  return arena.concat(integers_between(arena, first, last), Fractions(arena).zero());
}

}  // namespace fathom::grammar
