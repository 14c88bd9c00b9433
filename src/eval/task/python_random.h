#pragma once
// Python's random.Random, as far as lm-eval draws shots with it: the same seed gives the same
// shots.
#include <array>
#include <vector>

#include "base/types.h"

namespace fathom::eval {

/// The Mersenne Twister MT19937, seeded as random.seed(int) does (init_by_array).
/// Source: M. Matsumoto, T. Nishimura, ACM TOMACS 8 (1998) 3; Python's Modules/_randommodule.c.
class PythonRandom {
 public:
  explicit PythonRandom(u64 seed);

  u32 next_u32();
  /// getrandbits(bits) for 1 to 32 bits.
  u32 bits(int bits);
  /// Uniform in [0, n), n >= 1: bits until they are below n, as _randbelow.
  i64 below(i64 n);
  /// Uniform in [0, 1) with 53 bits, as random().
  double uniform();
  /// sample(range(n), k): k different indices below n in the order drawn; k <= n.
  std::vector<i64> sample(i64 n, i64 k);
  /// choices(range(n), k=k): indices with replacement.
  std::vector<i64> choices(i64 n, i64 k);

 private:
  void refill();
  std::array<u32, 624> state_;
  size_t at_ = 624;
};

}  // namespace fathom::eval
