#pragma once
// What the ranks of tests/comm do: the same over threads and over MPI.
#include "comm/comm.h"

namespace fathom::comm {

/// A hash of all bytes that this rank received in `rounds` rounds of every operation, with sizes
/// chosen by the seed.
u64 digest_of_everything(Comm& comm, u64 seed, i64 rounds);
/// Exchanges for ever; this rank raises `signal` before its operation number `at_operation`, if
/// that is not negative.
[[noreturn]] void exchange_until_signal(Comm& comm, i64 at_operation, int signal);
/// Rank 1 calls another collective than the others, or the same with another size.
void call_something_else(Comm& comm, bool same_operation);

}  // namespace fathom::comm
