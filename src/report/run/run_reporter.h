#pragma once
// What a training run leaves to be looked at: metrics.jsonl, TensorBoard's event file, report.html.
#include <filesystem>
#include <memory>
#include <optional>
#include <span>

#include "report/metrics/metrics.h"

namespace fathom::report {

struct ReporterOptions {
  /// Not set: a new run; metrics that are there already are an Error. Set: a resumed run; what was
  /// recorded of later steps is cut off (0: everything), so that the files become those of a run
  /// that was never interrupted, times aside.
  std::optional<i64> last_step_kept;
  /// report.html is written at most this often, and never takes more than about 2 % of the time.
  double report_interval_s = 15.0;
};

/// Writes into one run directory. A file that cannot be written (a full disk) is reported once in
/// the log and tried again with every later record; training goes on, nothing is thrown. Not for
/// several threads at once.
class RunReporter {
 public:
  /// Makes the directory. Throws Error if it or its files cannot be opened, or on metrics of
  /// another run, because at the start of a run that is still cheap.
  RunReporter(std::filesystem::path directory, RunInfo info, ReporterOptions options = {});
  /// Without finish(): flushes, and the report goes on saying "running" and, read later, "no news".
  /// If an exception is passing by, the run is recorded as failed.
  ~RunReporter();

  /// Steps come in order, each once. A validation comes after the step it validates; one before
  /// the first step has step 0.
  void step(const StepMetrics& metrics);
  void validation(const ValidationMetrics& metrics);
  void tasks(std::span<const TaskMetrics> all);  // of one step
  /// The last step whose tasks are recorded, of earlier processes too; -1 without one.
  i64 evaluated_step() const;

  /// Everything so far on the disk, report.html included. Called before a checkpoint is
  /// committed, so that a resumed run finds the records up to its step.
  void flush();
  /// The last call: flush(), and the report says how the run ended. kFailed and kInterrupted give
  /// a reason.
  void finish(const RunEnd& end);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fathom::report
