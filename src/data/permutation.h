#pragma once
// A shuffled order that costs no memory: any place of it can be asked for at once, so that a run
// resumes anywhere and no rank needs to know what another one drew.
#include <array>
#include <vector>

#include "base/types.h"

namespace fathom::data {

/// A permutation of [0, size) drawn from (seed, stream). Small ones are a table (Fisher-Yates:
/// every order equally likely); large ones a Feistel network with keys from Philox, walked until it
/// falls inside.
class Permutation {
 public:
  /// The identity.
  explicit Permutation(i64 size) : size_(size) {}
  Permutation(i64 size, u64 seed, u64 stream);

  i64 size() const { return size_; }
  /// Where place `i` points, 0 <= i < size().
  i64 at(i64 i) const;

  /// From here on it is a network; a table of fewer entries stays inside the processor's cache.
  static constexpr i64 kMaxTableSize = i64{1} << 16;

 private:
  u64 feistel(u64 x) const;

  /// An even number, so that halves of unequal width end where they began.
  static constexpr size_t kRounds = 6;

  i64 size_ = 0;
  std::vector<u32> table_;
  std::array<u64, kRounds> keys_{};
  // The network works on left_bits_ + right_bits_ bits; both 0: no network.
  u32 left_bits_ = 0;
  u32 right_bits_ = 0;
};

}  // namespace fathom::data
