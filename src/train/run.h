#pragma once
// A training run from its run file to the finished model: data, steps, validation, checkpoints,
// resuming, reports.
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/log.h"
#include "config/run/run_config.h"
#include "data/text/statistics.h"
#include "ops/ctx.h"
#include "report/metrics/metrics.h"

namespace fathom::train {

/// Where a run is told about while it goes on; from the calling thread. Each may be empty.
struct TrainEvents {
  std::function<void(log::Level, const std::string&)> message;
  std::function<void(const report::StepMetrics&)> step;
  std::function<void(const report::ValidationMetrics&)> validation;
  /// Asked after every step: the run saves a checkpoint and returns.
  std::function<bool()> stop_requested;
  /// While text is tokenised; may throw to end the run there.
  data::ProgressCallback tokenize;
};

struct TrainRequest {
  RunConfig config;
  /// The run directory must not hold a checkpoint; without it, a run that is there is resumed.
  bool fresh = false;
  /// One of the run's checkpoints to resume from, instead of the newest.
  std::filesystem::path resume_from;
  /// Steps' share of the machine's product peak is measured; costs about 0.3 s.
  bool measure_peak = true;
};

struct TrainResult {
  bool finished = false;  // else it was stopped
  i64 step = 0;           // steps taken, and
  i64 steps = 0;          // planned
  i64 resumed_step = 0;   // 0: begun anew
  i64 tokens = 0;
  i64 skipped_steps = 0;
  double seconds = 0.0;  // of training, earlier processes included
  double loss = 0.0;     // of the last step of this process; 0 without one
  std::vector<report::ValidationMetrics> validation;  // the last one, a set each; empty without one
  std::filesystem::path checkpoint;                   // the newest
  std::filesystem::path model;                        // if finished
  std::filesystem::path model_ema;                    // if finished and there is an average
};

/// Trains until the run's end or until it is stopped; resumes by itself where config.run.out holds
/// a checkpoint. Throws Error: a run file, text or checkpoint that is refused; a run that met
/// max_skipped_steps skipped steps in a row (its last good checkpoint stays); a disk that is full
/// when the last checkpoint must be written.
TrainResult train(Ctx& ctx, const TrainRequest& request, const TrainEvents& events = {});

}  // namespace fathom::train
