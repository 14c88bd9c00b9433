#pragma once
#include "base/types.h"

namespace fathom::plan {

/// `i` as an index of a standard container; i >= 0.
constexpr size_t at(i64 i) { return static_cast<size_t>(i); }

}  // namespace fathom::plan
