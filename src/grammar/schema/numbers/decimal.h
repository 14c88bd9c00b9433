#pragma once
// Exact decimal numbers, as JSON writes them.
#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/types.h"
#include "io/json.h"

namespace fathom::grammar {

/// (-1)^negative * digits * 10^exponent. `digits` begins and ends with no 0; for zero it is empty,
/// `exponent` 0 and `negative` false.
struct Decimal {
  bool negative = false;
  std::string digits;
  i64 exponent = 0;

  /// Of a JSON number; nullopt for any other text and where the exponent is beyond +-10,000.
  static std::optional<Decimal> parse(std::string_view text);
  /// Of a number: a double is what its shortest text says. nullopt for what is no number.
  static std::optional<Decimal> of(const io::JsonValue& value);

  bool is_zero() const { return digits.empty(); }
  /// Of its magnitude: what stands before the point ("0" if nothing) and behind it ("" if nothing).
  std::string integer_part() const;
  std::string fraction() const;

  Decimal operator-() const;
  bool operator==(const Decimal&) const = default;
  std::strong_ordering operator<=>(const Decimal& other) const;
};

}  // namespace fathom::grammar
