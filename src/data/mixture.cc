#include "data/mixture.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/rng.h"
#include "data/text/streams.h"

namespace fathom::data {
namespace {

using U128 = unsigned __int128;

constexpr u64 kOne = u64{1} << 32;
/// 2^32 divided by the golden ratio, made odd: s -> s * kStep mod 2^32 visits every point once.
constexpr u64 kStep = 2654435769u;

/// sum over s < n of floor((a * s + b) / m), modulo 2^64. Euclid's algorithm on the lattice points
/// under a line. n, a, m <= 2^32.
u64 floor_sum(u64 n, u64 m, u64 a, u64 b) {
  u64 sum = 0;
  while (true) {
    if (a >= m) {
      sum += static_cast<u64>(static_cast<U128>(n) * (n - 1) / 2 * (a / m));
      a %= m;
    }
    if (b >= m) {
      sum += n * (b / m);
      b %= m;
    }
    const U128 top = static_cast<U128>(a) * n + b;
    if (top < m) return sum;
    n = static_cast<u64>(top / m);
    b = static_cast<u64>(top % m);
    std::swap(a, m);
  }
}

}  // namespace

Mixture::Mixture(std::span<const double> weights, u64 seed)
    : offset_(Philox(seed, kMixtureStream).at(0)[0]) {
  FATHOM_CHECK(!weights.empty() && weights.size() <= (1 << 16), weights.size(), " sources");
  double total = 0.0;
  for (const double weight : weights) {
    FATHOM_CHECK(weight >= 0.0 && std::isfinite(weight), "weight ", weight);
    total += weight;
  }
  FATHOM_CHECK(total > 0.0 && std::isfinite(total), "total weight ", total);
  double sum = 0.0;
  u64 end = 0;
  for (const double weight : weights) {
    sum += weight;
    const u64 rounded = static_cast<u64>(std::llround(sum / total * static_cast<double>(kOne)));
    end = std::clamp(rounded, end + (weight > 0.0 ? 1 : 0), kOne);
    ends_.push_back(end);
  }
  // Rounding may leave the end of the last positive share below one.
  for (size_t i = ends_.size(); i-- > 0 && ends_[i] < kOne;) {
    ends_[i] = kOne;
    if (weights[i] > 0.0) break;
  }
}

int Mixture::source(i64 sample) const {
  const u64 point = (static_cast<u64>(sample) * kStep + offset_) % kOne;
  return static_cast<int>(std::upper_bound(ends_.begin(), ends_.end(), point) - ends_.begin());
}

u64 Mixture::count_below(u64 end, u64 sample) const {
  // Whole turns visit every point once. Of the rest, a point p < end is one for which
  // floor((p + 2^32 - end) / 2^32) is 0 and not 1.
  const u64 n = sample % kOne;
  u64 count = sample / kOne * end;
  if (n > 0) {
    count +=
        n + floor_sum(n, kOne, kStep, offset_) - floor_sum(n, kOne, kStep, offset_ + kOne - end);
  }
  return count;
}

i64 Mixture::count(int source, i64 sample) const {
  FATHOM_CHECK(source >= 0 && source < num_sources() && sample >= 0, "source ", source, ", sample ",
               sample);
  const auto i = static_cast<size_t>(source);
  const u64 begin = i == 0 ? 0 : ends_[i - 1];
  const auto n = static_cast<u64>(sample);
  return static_cast<i64>(count_below(ends_[i], n) - count_below(begin, n));
}

}  // namespace fathom::data
