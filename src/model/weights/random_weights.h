#pragma once
#include "base/types.h"
#include "checkpoint/storage.h"

namespace fathom::model {

/// Random weights of true shape, made in memory: such a model writes nonsense, but has every size
/// and speed of a trained one. Matrices are uniform with deviation 0.006 (DeepSeek-V3 §4.2), in
/// E4M3 as if quantised from that, norms 1, the router's bias 0. The numbers depend on the seed and
/// the tensor alone.
struct RandomWeights {
  checkpoint::ModelStorage storage;
  u64 seed = 0;
};

}  // namespace fathom::model
