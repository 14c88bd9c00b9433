#pragma once
// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011): value = f(seed, stream,
// counter). The result does not depend on who drew first, on threads or on ranks, and any point of
// the sequence can be reached at once, so a resumed run continues exactly.
#include <array>
#include <cmath>
#include <numbers>

#include "base/types.h"

namespace fathom {

class Philox {
 public:
  constexpr Philox(u64 seed, u64 stream) : seed_(seed), stream_(stream) {}

  /// The four 32-bit words at `counter`.
  constexpr std::array<u32, 4> at(u64 counter) const {
    u32 c0 = lo(counter), c1 = hi(counter), c2 = lo(stream_), c3 = hi(stream_);
    u32 k0 = lo(seed_), k1 = hi(seed_);
    for (int round = 0; round < 10; ++round) {
      const u64 p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
      const u32 n0 = hi(p1) ^ c1 ^ k0, n2 = hi(p0) ^ c3 ^ k1;
      c1 = lo(p1);
      c3 = lo(p0);
      c0 = n0;
      c2 = n2;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
  }

  /// Uniform in [0, 1) with 53 bits, one value per counter.
  constexpr double uniform(u64 counter) const {
    const auto w = at(counter);
    const u64 bits = (static_cast<u64>(w[0]) << 32) | w[1];
    return static_cast<double>(bits >> 11) * 0x1.0p-53;
  }

  /// Standard normal (Box-Muller), one value per counter.
  double normal(u64 counter) const {
    const auto w = at(counter);
    const double u1 = (static_cast<double>(w[0]) + 0.5) * 0x1.0p-32;
    const double u2 = static_cast<double>(w[1]) * 0x1.0p-32;
    return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
  }

 private:
  static constexpr u32 lo(u64 x) { return static_cast<u32>(x); }
  static constexpr u32 hi(u64 x) { return static_cast<u32>(x >> 32); }
  u64 seed_;
  u64 stream_;
};

}  // namespace fathom
