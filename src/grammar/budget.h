#pragma once
#include <string>

#include "base/error.h"
#include "base/types.h"

namespace fathom::grammar {

/// What a grammar may cost. A grammar that needs more is refused, never run slowly.
struct Budget {
  i64 nodes = 2'000'000;           // expressions that compiling makes
  i64 matching_nodes = 6'000'000;  // that it may have once matching has added its own
  i64 emptiness_steps =
      200'000;         // states looked at to learn whether one expression matches anything
  i64 threads = 4096;  // readings of the text so far that one state may hold
  double compile_s = 2.0;
};

/// Thrown where a budget is exceeded, caught where a grammar is compiled or a token accepted.
class BudgetError : public Error {
 public:
  explicit BudgetError(const std::string& message) : Error(ErrorCode::kUnsupported, message) {}
};

}  // namespace fathom::grammar
