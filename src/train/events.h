#pragma once
// What a run tells while it goes on, and asks.
#include <functional>
#include <string>

#include "base/log.h"
#include "data/text/statistics.h"
#include "report/metrics/metrics.h"

namespace fathom::train {

/// Where a run is told about while it goes on; from the calling thread. Each may be empty.
struct TrainEvents {
  std::function<void(log::Level, const std::string&)> message;
  std::function<void(const report::StepMetrics&)> step;
  std::function<void(const report::ValidationMetrics&)> validation;
  std::function<void(const report::TaskMetrics&)> task;
  /// Asked after every step: the run saves a checkpoint and returns.
  std::function<bool()> stop_requested;
  /// While text is tokenised; may throw to end the run there.
  data::ProgressCallback tokenize;
  /// While a stage prepares its first step: "asking the teacher", so many of so many.
  std::function<void(const std::string& what, i64 done, i64 all)> progress;

  void say(log::Level level, const std::string& text) const {
    if (message) message(level, text);
  }
  bool stopped() const { return stop_requested && stop_requested(); }
};

}  // namespace fathom::train
