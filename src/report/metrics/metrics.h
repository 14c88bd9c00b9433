#pragma once
// What a run tells about itself, once: the live line, metrics.jsonl, TensorBoard's event file and
// report.html are four ways of showing these structs.
#include <string>
#include <utility>
#include <vector>

#include "base/types.h"

namespace fathom::report {

/// What does not change from step to step.
struct RunInfo {
  std::string title;
  std::string config;    // resolved, as text
  double started = 0.0;  // Unix time in seconds
  i64 total_steps = 0;   // planned; 0: not known
  i64 total_tokens = 0;
  std::vector<std::pair<std::string, std::string>>
      facts;  // shown in order: ("parameters", "25.1 M")
};

using NamedNumber = std::pair<std::string, double>;

enum class RunState { kRunning, kFinished, kInterrupted, kFailed };

/// The last thing that a process says of its run. A resumed run takes it back.
struct RunEnd {
  i64 step = 0;  // the last one done
  RunState state = RunState::kFinished;
  std::string reason;  // of kFailed and kInterrupted
};

/// Load of the experts of one MoE layer, and what its router does.
struct LayerLoad {
  std::string layer;          // "model.layers.3"
  std::vector<double> share;  // [experts] of the layer's token-expert pairs; sums to 1
  double max_vio = 0.0;       // (max load - mean load) / mean load
  double entropy = 0.0;       // of the normalised scores, nats, mean over tokens
  i64 dead_experts = 0;       // that no token of the step chose
  double bias_min = 0.0;      // of e_score_correction_bias
  double bias_max = 0.0;
};

/// One optimizer step, or one that was skipped.
struct StepMetrics {
  i64 step = 0;                  // 1 for the first
  i64 tokens = 0;                // trained on so far, this step included
  i64 samples = 0;               // sequences so far
  double loss = 0.0;             // mean nats a target, main
  double bits_per_byte = 0.0;    // of the step's text
  std::vector<double> mtp_loss;  // [depth]
  double balance_loss = 0.0;     // as it enters the total
  double lr = 0.0;
  double grad_norm = 0.0;  // before the clip
  double bias_update_speed = 0.0;
  double tokens_per_s = 0.0;
  double gemm_peak_frac = 0.0;  // useful arithmetic over the measured peak; 0: not measured
  double seconds = 0.0;         // since the run began, earlier processes included
  i64 dropped = 0;              // token-expert pairs
  std::string skipped;          // why the step was skipped; empty: it was not
  std::vector<LayerLoad> load;
  /// What a stage behind pre-training adds, in the order it is shown: ("supervised_tokens", 4096).
  std::vector<NamedNumber> stage;
};

/// One validation set at one step.
struct ValidationMetrics {
  i64 step = 0;
  std::string set;    // its name in the run file
  double loss = 0.0;  // nats a target
  double bits_per_byte = 0.0;
  std::vector<double> mtp_loss;
  std::vector<double> mtp_acceptance;  // share of drafts that the main model would accept
  std::vector<LayerLoad> load;         // of this domain's tokens
};

/// One of the benchmarks that a run puts to its model, at one step.
struct TaskMetrics {
  i64 step = 0;
  std::string task;
  i64 items = 0;
  double chance = 0.0;              // accuracy of guessing; 0 where nothing is to be guessed
  std::vector<NamedNumber> values;  // ("acc", 0.31), ("exact_match (flexible-extract)", 0.02)
  std::vector<NamedNumber> errors;  // standard errors, of those that have one
};

}  // namespace fathom::report
