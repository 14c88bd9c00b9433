#pragma once
// Internal to data/: who draws random numbers. Each purpose has its own Philox stream, so that
// adding one never changes what another draws.
#include "base/types.h"

namespace fathom::data {

inline constexpr u64 kMixtureStream = 1;
inline constexpr u64 kFimStream = 2;
inline constexpr u64 kSplitStream = 3;

/// Orders of one source in one epoch: documents, and sequences of the packed stream.
enum class Order : u64 { kDocuments = 0, kSequences = 1 };

/// Sources below 2^16, epochs below 2^40; the top bit keeps clear of the streams above.
constexpr u64 order_stream(int source, i64 epoch, Order order) {
  return u64{1} << 63 | static_cast<u64>(order) << 62 | static_cast<u64>(source) << 44 |
         (static_cast<u64>(epoch) & ((u64{1} << 44) - 1));
}

}  // namespace fathom::data
