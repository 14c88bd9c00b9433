#include "eval/task/python_random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <unordered_set>

#include "base/check.h"

namespace fathom::eval {
namespace {

constexpr size_t kSize = 624, kShift = 397;

}  // namespace

PythonRandom::PythonRandom(u64 seed) {
  state_[0] = 19650218u;
  for (u32 i = 1; i < kSize; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  std::vector<u32> key = {static_cast<u32>(seed)};
  if (seed >> 32 != 0) key.push_back(static_cast<u32>(seed >> 32));
  size_t i = 1, j = 0;
  const auto wrap = [&] {
    if (++i < kSize) return;
    state_[0] = state_[kSize - 1];
    i = 1;
  };
  for (size_t k = std::max(kSize, key.size()); k > 0; --k) {
    state_[i] = (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1664525u)) + key[j] +
                static_cast<u32>(j);
    wrap();
    j = (j + 1) % key.size();
  }
  for (size_t k = kSize - 1; k > 0; --k) {
    state_[i] =
        (state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * 1566083941u)) - static_cast<u32>(i);
    wrap();
  }
  state_[0] = 0x80000000u;
}

void PythonRandom::refill() {
  for (size_t i = 0; i < kSize; ++i) {
    const u32 y = (state_[i] & 0x80000000u) | (state_[(i + 1) % kSize] & 0x7fffffffu);
    state_[i] = state_[(i + kShift) % kSize] ^ (y >> 1) ^ ((y & 1) != 0 ? 0x9908b0dfu : 0u);
  }
  at_ = 0;
}

u32 PythonRandom::next_u32() {
  if (at_ == kSize) refill();
  u32 y = state_[at_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

u32 PythonRandom::bits(int bits) { return next_u32() >> (32 - bits); }

i64 PythonRandom::below(i64 n) {
  FATHOM_CHECK(n >= 1 && n <= i64{0xffffffff}, n);
  const auto width = static_cast<int>(std::bit_width(static_cast<u64>(n)));
  i64 drawn = bits(width);
  while (drawn >= n) drawn = bits(width);
  return drawn;
}

double PythonRandom::uniform() {
  const u32 a = next_u32() >> 5, b = next_u32() >> 6;
  return (a * 67108864.0 + b) * (1.0 / 9007199254740992.0);
}

std::vector<i64> PythonRandom::sample(i64 n, i64 k) {
  FATHOM_CHECK(k >= 0 && k <= n, k, n);
  i64 set_size = 21;  // of a small set, beside a list of k references
  if (k > 5) {
    set_size += static_cast<i64>(
        std::pow(4.0, std::ceil(std::log(3.0 * static_cast<double>(k)) / std::log(4.0))));
  }
  std::vector<i64> drawn;
  if (n <= set_size) {
    std::vector<i64> pool(static_cast<size_t>(n));
    std::iota(pool.begin(), pool.end(), i64{0});
    for (i64 i = 0; i < k; ++i) {
      const auto j = static_cast<size_t>(below(n - i));
      drawn.push_back(pool[j]);
      pool[j] = pool[static_cast<size_t>(n - i - 1)];
    }
    return drawn;
  }
  std::unordered_set<i64> seen;
  while (std::ssize(drawn) < k) {
    const i64 j = below(n);
    if (seen.insert(j).second) drawn.push_back(j);
  }
  return drawn;
}

std::vector<i64> PythonRandom::choices(i64 n, i64 k) {
  std::vector<i64> drawn;
  drawn.reserve(static_cast<size_t>(k));
  for (i64 i = 0; i < k; ++i) {
    drawn.push_back(static_cast<i64>(std::floor(uniform() * static_cast<double>(n))));
  }
  return drawn;
}

}  // namespace fathom::eval
