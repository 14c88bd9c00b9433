#pragma once
#include <chrono>
#include <string>

#include "base/log.h"
#include "report/metrics/metrics.h"

namespace fathom::cli {

/// What a training run shows on stderr: on a terminal one line that is redrawn after every step,
/// elsewhere a plain line every few seconds; validations and messages stand above it. The numbers
/// of the line are smoothed over about 20 steps, but for the gradient norm and what a stage behind
/// pre-training adds, which are the step's own.
class TrainProgress {
 public:
  TrainProgress(i64 total_steps, i64 total_tokens);
  ~TrainProgress();  // ends the line

  void step(const report::StepMetrics& metrics);
  void validation(const report::ValidationMetrics& metrics);
  void task(const report::TaskMetrics& metrics);
  void message(log::Level level, const std::string& text);

 private:
  using Clock = std::chrono::steady_clock;
  void smooth(const report::StepMetrics& metrics);
  /// What a stage measured on held-out sets, if this step has any.
  void held_out(const report::StepMetrics& metrics);
  std::string line_of(const report::StepMetrics& metrics) const;
  void clear_line();

  i64 total_steps_;
  i64 total_tokens_;
  bool terminal_;
  bool drawn_ = false;
  Clock::time_point last_drawn_;
  // Smoothed; 0 steps: nothing yet.
  i64 smoothed_steps_ = 0;
  double loss_ = 0.0;
  double bits_per_byte_ = 0.0;
  double tokens_per_s_ = 0.0;
  double peak_frac_ = 0.0;
};

/// "acc 0.3100 ± 0.0460, acc_norm 0.3300": values with their standard errors.
std::string format_task_values(const report::TaskMetrics& metrics);

/// 75 -> "1 min 15 s", 90000 -> "1 d 1 h".
std::string format_duration(double seconds);

}  // namespace fathom::cli
