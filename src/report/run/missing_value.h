#pragma once
#include <limits>

namespace fathom::report {

/// Stands where a run has no number: charts leave a gap there.
inline constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

}  // namespace fathom::report
