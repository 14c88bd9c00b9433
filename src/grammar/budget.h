#pragma once
#include <string>

#include "base/error.h"
#include "base/types.h"

namespace fathom::grammar {

/// What a grammar may cost. A grammar that needs more is refused, never run slowly.
struct Budget {
  i64 nodes = 2'000'000;               // expressions that compiling makes
  i64 matching_nodes = 8'000'000;      // that there may be once matching has added its own
  i64 matching_bytes = i64{64} << 20;  // above it the next text starts afresh
  i64 emptiness_steps = 2'000'000;     // derivatives taken to learn whether anything matches
  i64 threads = 4096;                  // readings of a text that one state may hold
  double compile_s = 2.0;              // CPU time of compiling
  double match_s = 0.5;                // CPU time of one token's mask, or of taking one token
};

/// Thrown where a budget is exceeded, caught where a grammar is compiled or a token accepted.
class BudgetError : public Error {
 public:
  explicit BudgetError(const std::string& message) : Error(ErrorCode::kUnsupported, message) {}
};

}  // namespace fathom::grammar
