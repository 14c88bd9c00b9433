#pragma once
// Quantities that cannot be mixed up: bytes over seconds is a rate, bytes over a rate are seconds,
// and adding tokens to seconds does not compile.
#include <compare>

#include "base/types.h"

namespace fathom::plan {

/// A number of Bytes^kB * Seconds^kS * Flops^kF * Tokens^kT. Products and quotients have the sums
/// and differences of the exponents; where all are 0, they are plain numbers.
template <int kB, int kS, int kF, int kT>
struct Quantity {
  double value = 0.0;

  constexpr Quantity() = default;
  constexpr explicit Quantity(double v) : value(v) {}

  constexpr Quantity& operator+=(Quantity other) {
    value += other.value;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    value -= other.value;
    return *this;
  }
  constexpr Quantity& operator*=(double factor) {
    value *= factor;
    return *this;
  }
  constexpr auto operator<=>(const Quantity&) const = default;

  friend constexpr Quantity operator+(Quantity a, Quantity b) {
    return Quantity(a.value + b.value);
  }
  friend constexpr Quantity operator-(Quantity a, Quantity b) {
    return Quantity(a.value - b.value);
  }
  friend constexpr Quantity operator*(Quantity a, double b) { return Quantity(a.value * b); }
  friend constexpr Quantity operator*(double a, Quantity b) { return Quantity(a * b.value); }
  friend constexpr Quantity operator/(Quantity a, double b) { return Quantity(a.value / b); }
};

namespace units_detail {
template <int kB, int kS, int kF, int kT>
constexpr auto of(double value) {
  if constexpr (kB == 0 && kS == 0 && kF == 0 && kT == 0) {
    return value;
  } else {
    return Quantity<kB, kS, kF, kT>(value);
  }
}
}  // namespace units_detail

template <int kB, int kS, int kF, int kT, int kB2, int kS2, int kF2, int kT2>
constexpr auto operator*(Quantity<kB, kS, kF, kT> a, Quantity<kB2, kS2, kF2, kT2> b) {
  return units_detail::of<kB + kB2, kS + kS2, kF + kF2, kT + kT2>(a.value * b.value);
}
template <int kB, int kS, int kF, int kT, int kB2, int kS2, int kF2, int kT2>
constexpr auto operator/(Quantity<kB, kS, kF, kT> a, Quantity<kB2, kS2, kF2, kT2> b) {
  return units_detail::of<kB - kB2, kS - kS2, kF - kF2, kT - kT2>(a.value / b.value);
}

using Bytes = Quantity<1, 0, 0, 0>;
using Seconds = Quantity<0, 1, 0, 0>;
using Flops = Quantity<0, 0, 1, 0>;
using Tokens = Quantity<0, 0, 0, 1>;
using BytesPerSecond = Quantity<1, -1, 0, 0>;
using FlopsPerSecond = Quantity<0, -1, 1, 0>;
using TokensPerSecond = Quantity<0, -1, 0, 1>;
using BytesPerToken = Quantity<1, 0, 0, -1>;
using FlopsPerToken = Quantity<0, 0, 1, -1>;

constexpr Bytes bytes(i64 count) { return Bytes(static_cast<double>(count)); }
constexpr Tokens tokens(i64 count) { return Tokens(static_cast<double>(count)); }
constexpr Seconds microseconds(double us) { return Seconds(us * 1e-6); }

template <int kB, int kS, int kF, int kT>
constexpr Quantity<kB, kS, kF, kT> larger(Quantity<kB, kS, kF, kT> a, Quantity<kB, kS, kF, kT> b) {
  return a < b ? b : a;
}

}  // namespace fathom::plan
