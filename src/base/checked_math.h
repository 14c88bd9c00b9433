#pragma once
// Arithmetic on sizes that came from outside: overflow is an answer, not an accident.
#include <optional>
#include <span>

#include "base/types.h"

namespace fathom {

[[nodiscard]] constexpr std::optional<i64> checked_add(i64 a, i64 b) {
  i64 result = 0;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

[[nodiscard]] constexpr std::optional<i64> checked_mul(i64 a, i64 b) {
  i64 result = 0;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

/// Product of non-negative extents; nullopt on overflow or on a negative extent. Empty: 1.
[[nodiscard]] constexpr std::optional<i64> checked_product(std::span<const i64> extents) {
  i64 product = 1;
  for (const i64 extent : extents) {
    if (extent < 0 || __builtin_mul_overflow(product, extent, &product)) return std::nullopt;
  }
  return product;
}

constexpr i64 ceil_div(i64 a, i64 b) { return (a + b - 1) / b; }
constexpr i64 round_up(i64 a, i64 multiple) { return ceil_div(a, multiple) * multiple; }

}  // namespace fathom
