#pragma once
// Sums of gradients whose bits do not depend on how a step's micro-batches are dealt to ranks: a
// binary tree over all of them, halved from the top. With 2^k data ranks and as many micro-batches
// on each, a rank's are a branch of the tree, which it adds up itself; the branches are then added
// in pairs (BlockExchange). One rank's tree is the same.
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::parallel {

class TreeSum {
 public:
  /// `count` micro-batches follow.
  void begin(i64 count);
  /// `gradients` are those of the next micro-batch alone. They are put away and become 0; with the
  /// last one they become the sum. Keeps log2(count) arrays of their size.
  void add(std::span<float> gradients);

 private:
  i64 count_ = 0, next_ = 0, depth_ = 0;
  std::vector<std::vector<float>> stack_;  // of which depth_ are in use
};

/// How many additions end behind leaf `leaf` of the tree over `count`.
i64 additions_behind(i64 leaf, i64 count);

/// sum[i] += x[i].
void add_to(std::span<const float> x, std::span<float> sum);

}  // namespace fathom::parallel
