#pragma once
// A training run from its run file to the finished model: data, steps, validation, checkpoints,
// resuming, reports.
#include <filesystem>
#include <string>
#include <vector>

#include "comm/comm.h"
#include "config/run/run_config.h"
#include "device/ctx.h"
#include "report/metrics/metrics.h"
#include "train/events.h"
#include "train/stage.h"
#include "train/task_evaluator.h"

namespace fathom::train {

struct TrainRequest {
  RunConfig config;
  /// The run directory must not hold a checkpoint; without it, a run that is there is resumed.
  bool fresh = false;
  /// One of the run's checkpoints to resume from, instead of the newest.
  std::filesystem::path resume_from;
  /// Steps' share of the machine's product peak is measured; costs about 0.3 s.
  bool measure_peak = true;
  /// The ranks that train together; each calls train() with the same request. Rank 0 alone writes
  /// files and tells of the run. nullptr: this one alone.
  comm::Comm* world = nullptr;
  /// What is trained on; nullptr: the text of config.data. Must outlive the run.
  Stage* stage = nullptr;
  /// Asked every config.eval.every steps and at the end; nullptr: nothing is measured. On one rank
  /// only. Must outlive the run.
  TaskEvaluator* tasks = nullptr;
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
  std::vector<report::TaskMetrics> tasks;             // the last ones; empty without one
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
