#pragma once
// What this machine can do at most, measured, so that every printed speed has its share beside it.
#include "base/types.h"

namespace fathom::engine {

/// Bytes a second that all threads together read from a working set of `bytes` (clamped to 1 MiB ..
/// 256 MiB): the best of several passes over about 50 ms, or 350 ms under a CPU quota. Small sets
/// measure the caches.
double read_bandwidth_bytes_per_s(i64 bytes);

}  // namespace fathom::engine
