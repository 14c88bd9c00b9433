#pragma once
// Sums of gradients whose bits do not depend on how a step's micro-batches are dealt to ranks: a
// binary tree over all of them, halved from the top. With 2^k data ranks and as many micro-batches
// on each, a rank's are a branch of the tree, which it adds up itself; the branches are then added
// in pairs (BlockExchange). One rank's tree is the same.
#include <span>
#include <vector>

#include "checkpoint/parameter_layout.h"
#include "model/training/rank_part.h"

namespace fathom::parallel {

/// The sum of some tensors' gradients over one micro-batch after another.
class TreeSum {
 public:
  /// `parts` of an array of gradients.
  struct Part {
    i64 begin = 0, count = 0;
  };
  explicit TreeSum(std::vector<Part> parts);

  /// `count` micro-batches follow.
  void begin(i64 count);
  /// The parts are those of the next micro-batch alone. They are put away and become 0; with the
  /// last one they become the sum. Keeps log2(count) arrays of their size.
  void add(std::span<float> gradients);
  bool complete() const { return next_ == count_; }

 private:
  std::vector<Part> parts_;
  i64 count_ = 0, next_ = 0, depth_ = 0;
  std::vector<std::vector<float>> stack_;  // of which depth_ are in use
};

/// How many additions end behind leaf `leaf` of the tree over `count`.
i64 additions_behind(i64 leaf, i64 count);

/// sum[i] += x[i].
void add_to(std::span<const float> x, std::span<float> sum);

/// Trees of all that a rank holds. Gradients of a stage become whole in two parts, since weight
/// work may wait: those of the main layers' matrices and biases, and the others.
class GradientTrees {
 public:
  enum Half { kWithInput, kWithWeights };

  /// Of a model with that layout and those stages; none: the whole model.
  GradientTrees(const ModelConfig& config, const checkpoint::ParameterLayout& layout,
                std::span<const model::StageLayers> stages);

  void begin(i64 micro_batches_per_path);
  /// The next micro-batch of stage `chunk` of this rank has added all it has to that half.
  void add(i64 chunk, Half half, std::span<float> gradients);
  /// Every tree has all of its micro-batches.
  bool complete() const;

 private:
  std::vector<TreeSum> trees_;  // two a stage
};

}  // namespace fathom::parallel
