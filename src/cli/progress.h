#pragma once
#include <chrono>
#include <string>
#include <string_view>

#include "base/types.h"

namespace fathom::cli {

/// A progress line on stderr: redrawn in place on a terminal, a plain line every few seconds
/// elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // ends the line

  /// `done` of `total` in any unit; drawn at most ten times a second on a terminal, and not under
  /// --quiet.
  void update(std::string_view what, i64 done, i64 total, std::string_view detail = {});

 private:
  using Clock = std::chrono::steady_clock;
  bool terminal_;
  bool drawn_ = false;
  std::string what_;
  Clock::time_point started_;
  Clock::time_point last_;
};

}  // namespace fathom::cli
