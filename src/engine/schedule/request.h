#pragma once
// What the scheduler knows of a request: counts and limits, never its text.
#include "base/types.h"

namespace fathom::engine {

/// Names a request from its submission until it leaves. A slot is used again, a generation is not,
/// so an id that was kept too long names nobody. `slot` is small and dense: an index for tables.
struct RequestId {
  u32 slot = 0;
  u32 generation = 0;  // 0: no request
  bool operator==(const RequestId&) const = default;
};

/// A key, or any other owner of requests that gets its fair share. All anonymous ones are one.
using TenantId = u64;

/// A tenant's terms; those of its newest request hold.
struct TenantTerms {
  double weight = 1;     // its share of the work, in proportion to the others'; > 0
  i64 max_parallel = 0;  // sequences at once; 0: no limit of its own
  i64 max_waiting = 0;   // requests in the queue; 0: no limit of its own
};

/// One request. `priority`: lower goes first; 0 unless the tenant may choose.
struct Request {
  TenantId tenant = 0;
  TenantTerms terms{};
  i64 prompt_tokens = 0;   // >= 1
  i64 max_new_tokens = 0;  // >= 1
  i64 sequences = 1;  // continuations of the one prompt (`n`): rows that it will decode at once
  int priority = 0;
};

enum class Phase { kWaiting, kPrefill, kDecode };
inline constexpr int kPhases = 3;

}  // namespace fathom::engine
