#pragma once
#include <chrono>

namespace fathom {

/// For durations: never set back, and of no meaning as a date.
using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace fathom
