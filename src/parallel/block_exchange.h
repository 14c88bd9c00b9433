#pragma once
// ZeRO-1's two exchanges: gradients to the owners of their blocks, weights back from them. Both go
// in rounds over bounded staging memory.
#include <vector>

#include "comm/comm.h"
#include "config/run/parallel_config.h"
#include "device/ctx.h"
#include "parallel/groups.h"

namespace fathom::parallel {

class BlockExchange {
 public:
  /// Of the blocks of `shards` that the ranks of `group` hold. Both must outlive it.
  BlockExchange(comm::Comm& group, const Shards& shards, Holders holders);

  /// Every own block of `array` becomes the sum of that block over the ranks: in f32, in the order
  /// of ranks, so that the bits depend on the number of ranks alone; or in pairs, then pairs of
  /// pairs, as TreeSum does, of 2^k ranks. Other blocks are left as they were.
  void sum_to_owners(Ctx& ctx, std::span<float> array,
                     GradientReduction order = GradientReduction::kRankOrder) const;
  /// Every block of `array` becomes its owner's.
  void gather_from_owners(Ctx& ctx, std::span<float> array) const;

 private:
  /// Blocks of one owner that travel in one round.
  using Part = std::span<const ShardBlock>;
  static i64 bytes_of(Part part);

  comm::Comm& group_;
  std::vector<ShardBlock> blocks_;         // owner after owner
  std::vector<std::vector<Part>> rounds_;  // [round][owner]
};

/// Of all blocks that a rank holds, whoever else does.
class OwnerExchange {
 public:
  /// Both must outlive it.
  OwnerExchange(Groups& groups, const Shards& shards);
  void sum_to_owners(Ctx& ctx, std::span<float> array,
                     GradientReduction order = GradientReduction::kRankOrder) const;
  void gather_from_owners(Ctx& ctx, std::span<float> array) const;

 private:
  std::vector<BlockExchange> of_holders_;
};

/// Root of the sum of squares of all gradients of the model, each once: of every rank's own blocks,
/// f64, added in the order of the whole model's blocks. So equal gradients have equal norms however
/// the model is laid over ranks. NaN or infinity if one of them is.
double gradient_norm(Ctx& ctx, comm::Comm& world, const Shards& shards,
                     std::span<const float> gradients);

}  // namespace fathom::parallel
