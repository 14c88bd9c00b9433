#include "grammar/schema/numbers/number.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

namespace fathom::grammar {
namespace {

// The reference counts in units of 10^-6.
constexpr i64 kOne = 1'000'000;

/// With as few digits as there can be, or with zeros behind them.
std::string text_of(i64 millionths, int extra_zeros = 0) {
  const i64 magnitude = std::abs(millionths);
  std::string text =
      fmt::format("{}{}.{:06}", millionths < 0 ? "-" : "", magnitude / kOne, magnitude % kOne);
  while (text.back() == '0') text.pop_back();
  if (extra_zeros == 0 && text.back() == '.') text.pop_back();
  return text + std::string(static_cast<size_t>(extra_zeros), '0');
}

struct Range {
  std::optional<i64> min, max, multiple_of;
  bool exclusive_min = false, exclusive_max = false, integer = false;

  bool contains(i64 value) const {
    if (min && (value < *min || (exclusive_min && value == *min))) return false;
    if (max && (value > *max || (exclusive_max && value == *max))) return false;
    if (multiple_of && value % *multiple_of != 0) return false;
    return !integer || value % kOne == 0;
  }
  NumberRange as_decimals() const {
    const auto decimal = [](const std::optional<i64>& value) {
      return value ? Decimal::parse(text_of(*value)) : std::nullopt;
    };
    return {.min = decimal(min),
            .max = decimal(max),
            .exclusive_min = exclusive_min,
            .exclusive_max = exclusive_max,
            .multiple_of = decimal(multiple_of),
            .integer = integer};
  }
  std::string description() const {
    const auto text = [](const std::optional<i64>& v) { return v ? text_of(*v) : "none"; };
    return fmt::format("{}{}..{}{} multiple of {}{}", text(min), exclusive_min ? " exclusive" : "",
                       text(max), exclusive_max ? " exclusive" : "", text(multiple_of),
                       integer ? " integer" : "");
  }
};

class NumberRanges : public ::testing::Test {
 protected:
  i64 pick(i64 count) { return static_cast<i64>(random_() % static_cast<u64>(count)); }

  /// A number of few digits: 0, 7, -120, 0.5, -3.0625.
  i64 number() {
    constexpr i64 kUnits[] = {1,    100,  10'000, 62'500,    500'000,
                              kOne, kOne, kOne,   10 * kOne, 100 * kOne};
    const i64 value = kUnits[pick(10)] * pick(pick(2) == 0 ? 12 : 130);
    return pick(2) == 0 ? value : -value;
  }
  Range range(bool with_multiple) {
    Range range;
    if (pick(4) > 0) range.min = number();
    if (pick(4) > 0)
      range.max = pick(3) > 0 && range.min ? *range.min + std::abs(number()) : number();
    range.exclusive_min = range.min && pick(3) == 0;
    range.exclusive_max = range.max && pick(3) == 0;
    range.integer = pick(3) == 0;
    if (with_multiple) {
      constexpr i64 kDivisors[] = {10'000,   100,      100'000,   250'000,   2'500'000, kOne,
                                   3 * kOne, 7 * kOne, 60 * kOne, 2'125'000, 9'500'000, 40'000};
      range.multiple_of = kDivisors[pick(12)];
    }
    return range;
  }
  std::vector<i64> values_near(const Range& range) {
    std::vector<i64> values{0, kOne, -kOne};
    for (const auto& bound : {range.min, range.max}) {
      for (const i64 step : {i64{1}, i64{10}, i64{1000}, i64{50'000}, kOne, 10 * kOne}) {
        for (i64 times = -2; times <= 2; ++times)
          values.push_back(bound.value_or(0) + times * step);
      }
    }
    for (int i = 0; i < 20; ++i) values.push_back(number());
    if (range.multiple_of) {
      for (int i = 0; i < 20; ++i) values.push_back(*range.multiple_of * (pick(200) - 100));
    }
    return values;
  }

  std::mt19937_64 random_{14};
};

TEST_F(NumberRanges, AreWhatExactArithmeticSays) {
  for (int round = 0; round < 3000; ++round) {
    const Range range = this->range(round % 2 == 0);
    RegexArena arena;
    const Regex regex = value_or_throw(number_regex(arena, range.as_decimals()));
    for (const i64 value : values_near(range)) {
      const bool expected = range.contains(value);
      for (const int zeros : {0, 1, 3}) {
        const std::string text = text_of(value, zeros);
        ASSERT_EQ(arena.matches(regex, text), expected) << text << " in " << range.description();
      }
      if (value < 0) continue;
      const std::string text = text_of(value);
      ASSERT_FALSE(arena.matches(regex, "0" + text));
      ASSERT_FALSE(arena.matches(regex, "+" + text));
      ASSERT_FALSE(arena.matches(regex, text + "."));
      ASSERT_TRUE(value != 0 || arena.matches(regex, "-0") == expected);
      ASSERT_FALSE(arena.matches(regex, "00" + text));
    }
    ASSERT_FALSE(arena.matches(regex, ""));
    ASSERT_FALSE(arena.matches(regex, "-"));
    ASSERT_FALSE(arena.matches(regex, ".5"));
  }
}

TEST_F(NumberRanges, WithExponentsAreWhatExactArithmeticSays) {
  for (int round = 0; round < 2000; ++round) {
    Range range = this->range(false);
    range.integer = false;
    RegexArena arena;
    const Regex regex = value_or_throw(number_regex(arena, range.as_decimals()));
    for (int i = 0; i < 40; ++i) {
      const i64 mantissa = (1000 + pick(9000)) * (pick(2) == 0 ? 1 : -1);  // in thousandths
      i64 exponent = pick(7) - 3;
      i64 value = mantissa * 1000;  // in millionths
      for (i64 e = 0; e < exponent; ++e) value *= 10;
      for (i64 e = 0; e > exponent; --e) value /= 10;
      const std::string text =
          fmt::format("{}{}{:02}", text_of(mantissa * 1000), pick(2) == 0 ? "e" : "E", exponent);
      ASSERT_EQ(arena.matches(regex, text), range.contains(value))
          << text << " in " << range.description();
    }
    ASSERT_EQ(arena.matches(regex, "1e307"), !range.max);
    ASSERT_EQ(arena.matches(regex, "-9.5E+307"), !range.min);
    const bool has_zero_and_more = range.contains(1);  // what is below 10^-6 is as 1 here
    if (!(range.max && *range.max == 1) && !(range.min && *range.min == 1)) {
      ASSERT_EQ(arena.matches(regex, "1e-307"), has_zero_and_more && range.min.value_or(0) <= 0)
          << range.description();
    }
  }
}

TEST(Number, WithoutBoundsIsAnyOfJson) {
  RegexArena arena;
  const Regex regex = value_or_throw(number_regex(arena, {}));
  for (const char* text : {"0", "-0", "0.0", "10", "-12.5e+08", "1E9", "0e0", "1e-999"}) {
    EXPECT_TRUE(arena.matches(regex, text)) << text;
  }
  for (const char* text : {"", "-", "+1", "01", ".5", "1.", "1e", "1e+", "0x1", "NaN", "1 "}) {
    EXPECT_FALSE(arena.matches(regex, text)) << text;
  }
  const Regex integer = value_or_throw(number_regex(arena, {.integer = true}));
  for (const char* text : {"0", "-0", "10", "-12", "3.0", "3.000"}) {
    EXPECT_TRUE(arena.matches(integer, text)) << text;
  }
  for (const char* text : {"", "01", "1.5", "1.", "1e3"}) {
    EXPECT_FALSE(arena.matches(integer, text)) << text;
  }
}

TEST(Number, IsComparedExactlyWhateverItsLength) {
  RegexArena arena;
  const auto regex = [&](const char* min, const char* max) {
    return value_or_throw(
        number_regex(arena, {.min = Decimal::parse(min), .max = Decimal::parse(max)}));
  };
  const Regex beyond_doubles = regex("0.1234567890123456789", "12345678901234567890123");
  EXPECT_TRUE(arena.matches(beyond_doubles, "0.1234567890123456789"));
  EXPECT_FALSE(arena.matches(beyond_doubles, "0.12345678901234567889999"));
  EXPECT_TRUE(arena.matches(beyond_doubles, "12345678901234567890123"));
  EXPECT_FALSE(arena.matches(beyond_doubles, "12345678901234567890123.00000001"));
  const Regex by_exponent = regex("-1e300", "1.5e-300");
  EXPECT_TRUE(arena.matches(by_exponent, "-1" + std::string(300, '0')));
  EXPECT_FALSE(arena.matches(by_exponent, "-1" + std::string(299, '0') + "1"));
  EXPECT_TRUE(arena.matches(by_exponent, "1.5e-300"));
  EXPECT_FALSE(arena.matches(by_exponent, "1.51e-300"));
}

TEST(Number, MayBeNone) {
  RegexArena arena;
  const Regex nothing = arena.nothing();
  const auto none = [&](const NumberRange& range) {
    EXPECT_EQ(value_or_throw(number_regex(arena, range)), nothing);
  };
  none({.min = Decimal::parse("2"), .max = Decimal::parse("1")});
  none({.min = Decimal::parse("1"), .max = Decimal::parse("1"), .exclusive_min = true});
  none({.min = Decimal::parse("1.2"), .max = Decimal::parse("1.8"), .integer = true});
  none({.min = Decimal::parse("0"), .max = Decimal::parse("0"), .exclusive_max = true});
  none({.min = Decimal::parse("8"),
        .max = Decimal::parse("13"),
        .multiple_of = Decimal::parse("7"),
        .integer = true});
}

// Nobody searches among a million remainders for one that ends.
TEST(Number, LargeDivisorsCostNoMoreThanSmallOnes) {
  const auto start = std::chrono::steady_clock::now();
  RegexArena arena({.emptiness_steps = 0});
  const auto regex = [&](const char* min, const char* max, const char* divisor) {
    return value_or_throw(number_regex(arena, {.min = Decimal::parse(min),
                                               .max = Decimal::parse(max),
                                               .multiple_of = Decimal::parse(divisor)}));
  };
  const Regex above = regex("5", "", "1000003");
  EXPECT_TRUE(arena.matches(above, "1000003"));
  EXPECT_TRUE(arena.matches(above, "1000003000000.00"));
  EXPECT_FALSE(arena.matches(above, "0"));
  EXPECT_FALSE(arena.matches(above, "-1000003"));
  const Regex between = regex("-1e300", "1e300", "0.123456789");
  EXPECT_TRUE(arena.matches(between, "-0.246913578"));
  EXPECT_FALSE(arena.matches(between, "0.246913579"));
  EXPECT_EQ(regex("1000004", "2000005", "1000003"), arena.nothing());
  EXPECT_NE(regex("1000004", "2000006", "1000003"), arena.nothing());
  const Regex one = regex("99999999999999999", "100000000000000001", "100000000000000000");
  EXPECT_EQ(arena.derivative(one, '9'), arena.nothing());
  EXPECT_TRUE(arena.matches(one, "100000000000000000"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

// Walks every beginning: what begins can be ended, without a search.
TEST_F(NumberRanges, MultiplesHaveNoDeadEnds) {
  for (int round = 0; round < 300; ++round) {
    const Range range = this->range(true);
    RegexArena arena;
    const Regex start = value_or_throw(number_regex(arena, range.as_decimals()));
    std::vector<Regex> open{start};
    std::unordered_set<Regex> seen{start, arena.nothing()};
    while (!open.empty() && seen.size() < 150) {
      const Regex state = open.back();
      open.pop_back();
      bool goes_on = arena.nullable(state);
      for (const char byte : std::string_view("-.0123456789")) {
        const Regex next = arena.derivative(state, static_cast<u8>(byte));
        goes_on |= next != arena.nothing();
        if (seen.insert(next).second) open.push_back(next);
      }
      ASSERT_TRUE(goes_on || state == arena.nothing()) << range.description();
    }
  }
}

TEST(Number, RefusesDivisorsItCannotCountWith) {
  RegexArena arena;
  const auto error = [&](const char* divisor) {
    return number_regex(arena, {.multiple_of = Decimal::parse(divisor)}).error();
  };
  EXPECT_EQ(error("0").code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(error("-2").code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(error("1e19").code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error("1e-19").message(),
            "multiples of 0.0000000000000000001: more than 18 digits are not supported");
  EXPECT_TRUE(number_regex(arena, {.multiple_of = Decimal::parse("0.123456789")}));
}

TEST(Decimal, ReadsWhatJsonWrites) {
  EXPECT_EQ(*Decimal::parse("-12.50e1"), *Decimal::parse("-125"));
  EXPECT_EQ(*Decimal::parse("0.0"), *Decimal::parse("-0"));
  EXPECT_EQ(*Decimal::of(io::JsonValue(1e20)), *Decimal::parse("100000000000000000000"));
  EXPECT_EQ(*Decimal::of(io::JsonValue(0.1)), *Decimal::parse("0.1"));
  EXPECT_EQ(*Decimal::of(io::JsonValue(i64{-7})), *Decimal::parse("-7"));
  EXPECT_EQ(Decimal::of(io::JsonValue("7")), std::nullopt);
  for (const char* text : {"", "-", "01", "1.", ".1", "1e", "1e+", "1e99999", "1x", "+1", "1 "}) {
    EXPECT_EQ(Decimal::parse(text), std::nullopt) << text;
  }
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const i64 a = static_cast<i64>(random() % 4000) - 2000,
              b = static_cast<i64>(random() % 4000) - 2000;
    const i64 unit = i % 2 == 0 ? 1 : kOne / 10;
    EXPECT_EQ(*Decimal::parse(text_of(a * unit)) <=> *Decimal::parse(text_of(b * unit)), a <=> b);
  }
}

}  // namespace
}  // namespace fathom::grammar
