#pragma once
#include "model/training/memory/storage_plan.h"

namespace fathom::model::training {

/// The most scratch that a pass over `sequences` x `seq_len` tokens takes from Ctx's workspace: an
/// upper bound from the sizes alone, near what is used (the experts' uneven share of tokens decides
/// the rest). The backward pass decides: of the widest layer, or of the head.
i64 pass_scratch_bytes(const Ctx& ctx, const PassShape& shape, i64 sequences, i64 seq_len);

}  // namespace fathom::model::training
