#pragma once
#include <vector>

#include "base/rng.h"
#include "base/types.h"

namespace fathom::engine {

/// Token ids of [0, vocab_size) to measure and to verify with, the same in each run. Each `stream`
/// has its own.
inline std::vector<i32> random_ids(i64 count, i64 vocab_size, u64 stream) {
  const Philox rng(20241227, stream);
  std::vector<i32> ids;
  for (i64 i = 0; i < count; ++i) {
    ids.push_back(
        static_cast<i32>(rng.uniform(static_cast<u64>(i)) * static_cast<double>(vocab_size)));
  }
  return ids;
}

}  // namespace fathom::engine
