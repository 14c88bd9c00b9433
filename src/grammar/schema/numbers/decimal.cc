#include "grammar/schema/numbers/decimal.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace fathom::grammar {
namespace {

constexpr i64 kMaxWrittenExponent = 10'000;

/// The digits at the front of `text`, which are taken away from it.
std::string_view take_digits(std::string_view& text) {
  const size_t count = std::min(text.find_first_not_of("0123456789"), text.size());
  const std::string_view taken = text.substr(0, count);
  text.remove_prefix(count);
  return taken;
}

bool take(char c, std::string_view& text) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

/// "", or e and an integer of at most 5 digits.
std::optional<i64> read_exponent(std::string_view text) {
  if (text.empty()) return 0;
  if (!take('e', text) && !take('E', text)) return std::nullopt;
  const bool negative = take('-', text);
  if (!negative) take('+', text);
  const std::string_view digits = take_digits(text);
  i64 value = 0;
  const auto [end, status] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (status != std::errc{} || !text.empty() || value > kMaxWrittenExponent) return std::nullopt;
  return negative ? -value : value;
}

std::strong_ordering compare_magnitudes(const Decimal& a, const Decimal& b) {
  if (a.is_zero() || b.is_zero()) return a.digits.size() <=> b.digits.size();
  const i64 length_a = std::ssize(a.digits) + a.exponent;
  const i64 length_b = std::ssize(b.digits) + b.exponent;
  return length_a != length_b ? length_a <=> length_b : a.digits <=> b.digits;
}

}  // namespace

std::optional<Decimal> Decimal::parse(std::string_view text) {
  Decimal value;
  value.negative = take('-', text);
  const std::string_view integer = take_digits(text);
  if (integer.empty() || (integer.size() > 1 && integer[0] == '0')) return std::nullopt;
  std::string_view fraction;
  if (take('.', text)) {
    fraction = take_digits(text);
    if (fraction.empty()) return std::nullopt;
  }
  const std::optional<i64> exponent = read_exponent(text);
  if (!exponent) return std::nullopt;
  value.digits = std::string(integer) + std::string(fraction);
  value.exponent = *exponent - std::ssize(fraction);
  value.digits.erase(0, std::min(value.digits.find_first_not_of('0'), value.digits.size()));
  if (value.is_zero()) return Decimal();
  const size_t end = value.digits.find_last_not_of('0') + 1;
  value.exponent += static_cast<i64>(value.digits.size() - end);
  value.digits.resize(end);
  return value;
}

std::optional<Decimal> Decimal::of(const io::JsonValue& value) {
  if (value.is_integer()) return parse(std::to_string(value.as_integer()));
  if (!value.is_number()) return std::nullopt;
  return parse(fmt::format("{}", value.as_number()));
}

std::string Decimal::integer_part() const {
  if (exponent >= 0) {
    return is_zero() ? "0" : digits + std::string(static_cast<size_t>(exponent), '0');
  }
  const i64 length = std::ssize(digits) + exponent;
  return length <= 0 ? "0" : digits.substr(0, static_cast<size_t>(length));
}

std::string Decimal::fraction() const {
  if (exponent >= 0) return "";
  const i64 length = std::ssize(digits) + exponent;
  if (length < 0) return std::string(static_cast<size_t>(-length), '0') + digits;
  return digits.substr(static_cast<size_t>(length));
}

Decimal Decimal::operator-() const {
  Decimal value = *this;
  value.negative = !negative && !is_zero();
  return value;
}

std::strong_ordering Decimal::operator<=>(const Decimal& other) const {
  if (negative != other.negative) {
    return negative ? std::strong_ordering::less : std::strong_ordering::greater;
  }
  return negative ? compare_magnitudes(other, *this) : compare_magnitudes(*this, other);
}

}  // namespace fathom::grammar
