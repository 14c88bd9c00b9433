#pragma once
// Which source a training sequence comes from. Every sequence has the same number of tokens, so
// proportions of sequences are proportions of tokens.
#include <array>
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::data {

/// Sample s belongs to the source into whose share of [0, 1) the point (s * golden + offset) mod 1
/// falls: the most even interleaving there is (Weyl 1916), so any stretch of samples holds each
/// source within a few samples of its share. Pure arithmetic on 32-bit fractions: the same on every
/// machine.
class Mixture {
 public:
  /// weights: relative, at least one positive; at most 2^16 of them.
  Mixture(std::span<const double> weights, u64 seed);

  int num_sources() const { return static_cast<int>(ends_.size()); }
  /// O(log num_sources).
  int source(i64 sample) const;
  /// How many of the samples 0 .. sample-1 belong to `source`: the place of `sample` in it. O(1),
  /// about twenty divisions.
  i64 count(int source, i64 sample) const;

 private:
  /// How many of the first `sample` points are below `end` / 2^32.
  u64 count_below(u64 end, u64 sample) const;

  std::vector<u64> ends_;  // ends_[i] / 2^32: where source i's share ends; the last is 2^32
  u64 offset_ = 0;
};

}  // namespace fathom::data
