#pragma once
// The interleaved schedule with its passes in pairs.
#include "plan/schedule/schedule.h"

namespace fathom::plan {

/// interleaved with [F & B] in its steady part, so that each one's expert exchanges run beside the
/// other's compute: Megatron-LM's overlap_moe_expert_parallel_comm, which warms up by one forward
/// more. Worth it from two chunks a rank on: with one, a rank's pair waits for the next rank's, and
/// that one for the last of this rank, so that each works half the time.
Schedule interleaved_pairs(i64 ranks, i64 micro_batches, i64 chunks_per_rank);

}  // namespace fathom::plan
