#pragma once
// ZeRO-1: who updates what. Tensors are cut into blocks, and each block has one owner among the
// ranks that hold its tensor; moments, average and update of a block are the owner's alone.
#include <array>
#include <optional>
#include <span>
#include <vector>

#include "checkpoint/parameter_layout.h"

namespace fathom::parallel {

/// Elements of a block. Blocks begin anew at every tensor, so that they are the same however
/// tensors are dealt to ranks.
inline constexpr i64 kBlockElements = i64{1} << 16;

/// Which ranks hold a tensor.
enum class Holders {
  kDense,    // those with the same stages
  kExperts,  // of them, those with the same experts
  kEnds,  // those with the first and those with the last stage: an embedding that is the head too
};
inline constexpr std::array kAllHolders = {Holders::kDense, Holders::kExperts, Holders::kEnds};

struct ShardBlock {
  const checkpoint::ParameterSlot* slot = nullptr;
  i64 begin = 0;         // in this rank's flat array
  i64 count = 0;         // a multiple of 16: the zeros behind a tensor are its last block's
  i64 model_offset = 0;  // in the whole model's array: the order in which blocks are added up
  Holders holders = Holders::kDense;
  i64 owner = 0;   // its rank among the holders
  i64 stored = 0;  // of an own block: in arrays that hold own blocks alone
};

/// This rank's place among those that hold the same tensors.
struct ShardPlace {
  i64 rank = 0;
  i64 size = 1;
};

class Shards {
 public:
  /// Everything on one rank.
  Shards(const checkpoint::ParameterLayout& layout)  // NOLINT: one rank is no special case
      : Shards(layout, {}, {}, std::nullopt) {}
  /// The layout must outlive it. Owners take the blocks of their group in order, an equal number of
  /// elements each as far as whole blocks go.
  /// `ends`: of a model whose head is its embedding, where the two are on different ranks.
  Shards(const checkpoint::ParameterLayout& layout, ShardPlace dense, ShardPlace expert,
         std::optional<ShardPlace> ends = std::nullopt);

  const checkpoint::ParameterLayout& layout() const { return *layout_; }
  /// All that this rank holds, in the order of its array.
  std::span<const ShardBlock> blocks() const { return blocks_; }
  Holders holders_of(const Parameter& parameter) const;
  std::span<const ShardBlock> own_blocks() const { return own_; }
  i64 own_elements() const { return own_elements_; }

 private:
  const checkpoint::ParameterLayout* layout_;
  bool ends_apart_ = false;
  std::vector<ShardBlock> blocks_, own_;
  i64 own_elements_ = 0;
};

}  // namespace fathom::parallel
