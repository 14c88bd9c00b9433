#pragma once
#include <string_view>

#include "base/dtype.h"
#include "base/types.h"
#include "parallel/shards.h"

namespace fathom::train {

/// One number for each of the parameters that a rank holds: what a checkpoint keeps. Non-owning.
struct StateArray {
  /// Own blocks one behind the other (ShardBlock::stored), or every block that the rank holds, in
  /// the parameters' layout (ShardBlock::begin).
  enum Extent { kOwnBlocks, kHeldBlocks };

  std::string_view name;  // of the array: "exp_avg"
  DType dtype = DType::kF32;
  u8* data = nullptr;
  Extent extent = kOwnBlocks;

  u8* at(const parallel::ShardBlock& block) const {
    return data + (extent == kOwnBlocks ? block.stored : block.begin) * dtype_bytes(dtype);
  }
};

/// The name under which weights are one: f32, whatever the model's files have.
inline constexpr std::string_view kMasterWeights = "master";

}  // namespace fathom::train
