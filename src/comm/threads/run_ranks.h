#pragma once
// The engine of one process: every rank is a thread.
#include <optional>

#include "base/function_ref.h"
#include "comm/comm.h"

namespace fathom::comm {

/// Makes what timing could hide visible, by a seed: deliveries are late and overtake others (never
/// within one sender, receiver and tag), some sends end only when they are received and read their
/// memory only then, and memory that is to be received into holds rubbish until then.
struct Chaos {
  u64 seed = 0;
  i64 max_delay_us = 200;
};

struct ThreadsOptions {
  JobOptions job;
  std::optional<Chaos> chaos;
};

/// Runs rank_main(comm) on `ranks` threads, with rank 0 on the calling one, until all have ended.
/// The first exception of a rank ends the job (the others get LostRanks with its message) and is
/// thrown here. One rank alone gets Comm::self(). Messages are copied: no rank sees another's
/// memory.
void run_ranks(int ranks, const ThreadsOptions& options, FunctionRef<void(Comm&)> rank_main);

}  // namespace fathom::comm
