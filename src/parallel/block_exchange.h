#pragma once
// ZeRO-1's two exchanges: gradients to the owners of their blocks, weights back from them. Both go
// in rounds over bounded staging memory.
#include <vector>

#include "comm/comm.h"
#include "config/run/parallel_config.h"
#include "device/ctx.h"
#include "parallel/shards.h"

namespace fathom::parallel {

class BlockExchange {
 public:
  /// Of the blocks of `shards` that are experts' or not, between the ranks of `group`, whose sizes
  /// and ranks the owners are of. Both must outlive it.
  BlockExchange(comm::Comm& group, const Shards& shards, bool experts);

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

/// Root of the sum of squares of all gradients of the model, each once: of every rank's own blocks,
/// f64, added in the order of the whole model's blocks. So equal gradients have equal norms however
/// the model is laid over ranks. NaN or infinity if one of them is.
double gradient_norm(Ctx& ctx, comm::Comm& world, const Shards& shards,
                     std::span<const float> gradients);

}  // namespace fathom::parallel
