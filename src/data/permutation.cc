#include "data/permutation.h"

#include <bit>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/rng.h"

namespace fathom::data {
namespace {

/// Uniform in [0, bound) from 64 random bits (bias below bound / 2^64).
u64 bounded(const std::array<u32, 4>& words, u64 bound) {
  const u64 bits = static_cast<u64>(words[0]) << 32 | words[1];
  return static_cast<u64>(static_cast<unsigned __int128>(bits) * bound >> 64);
}

/// The finaliser of MurmurHash3: every bit of the answer depends on every bit of x.
constexpr u64 mix(u64 x) {
  x = (x ^ x >> 33) * 0xFF51AFD7ED558CCDull;
  x = (x ^ x >> 33) * 0xC4CEB9FE1A85EC53ull;
  return x ^ x >> 33;
}

constexpr u64 low_bits(u64 x, u32 count) { return x & ((u64{1} << count) - 1); }

}  // namespace

Permutation::Permutation(i64 size, u64 seed, u64 stream) : size_(size) {
  FATHOM_CHECK(size >= 0 && size < (i64{1} << 62), "size ", size);
  const Philox random(seed, stream);
  if (size <= kMaxTableSize) {
    table_.resize(static_cast<size_t>(size));
    std::iota(table_.begin(), table_.end(), 0u);
    for (size_t i = table_.size(); i > 1; --i) {
      std::swap(table_[i - 1], table_[bounded(random.at(i), i)]);
    }
    return;
  }
  const auto bits = static_cast<u32>(std::bit_width(static_cast<u64>(size - 1)));
  left_bits_ = bits / 2;
  right_bits_ = bits - left_bits_;
  for (size_t round = 0; round < kRounds; ++round) {
    const auto words = random.at(round);
    keys_[round] = static_cast<u64>(words[0]) << 32 | words[1];
  }
}

i64 Permutation::at(i64 i) const {
  FATHOM_DCHECK(i >= 0 && i < size_, "place ", i, " of ", size_);
  if (!table_.empty()) return table_[static_cast<size_t>(i)];
  if (right_bits_ == 0) return i;
  // The domain has fewer than 2 * size_ values, so two steps are expected at most. A walk from
  // inside comes back inside: the network is a permutation and the cycle holds `i` itself.
  u64 x = static_cast<u64>(i);
  do {
    x = feistel(x);
  } while (x >= static_cast<u64>(size_));
  return static_cast<i64>(x);
}

u64 Permutation::feistel(u64 x) const {
  u32 left_bits = left_bits_, right_bits = right_bits_;
  u64 left = x >> right_bits, right = low_bits(x, right_bits);
  for (const u64 key : keys_) {
    const u64 mixed = low_bits(left ^ mix(right ^ key), left_bits);
    left = right;
    right = mixed;
    std::swap(left_bits, right_bits);
  }
  return left << right_bits | right;
}

}  // namespace fathom::data
