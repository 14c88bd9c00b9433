#pragma once
// Internal to run: everything that lives as long as a run. begin.cc makes it, train/run.cc drives
// it.
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "report/run/run_reporter.h"
#include "train/pretrain.h"
#include "train/resume.h"
#include "train/run.h"
#include "train/run/text.h"
#include "train/run/writer.h"
#include "train/trainer.h"

namespace fathom::train {

/// Built in the order of the members.
class Run {
 public:
  Run(Ctx& ctx, const TrainRequest& request, const TrainEvents& events);

  TrainResult go();

 private:
  RunDirectory open_directory(const std::filesystem::path& path) const;
  std::optional<ResumePoint> resume_point(const TrainRequest& request) const;
  std::optional<ResumePoint> find_own_resume_point(const TrainRequest& request) const;
  RunText load_text(const TrainRequest& request);
  /// The request's stage, or one of our own.
  Stage& choose_stage(const TrainRequest& request);
  RunCost cost() const;
  void say_memory(const model::TrainingMemory& memory) const;
  report::RunInfo info();
  void restore();
  void begin_anew();

  void take_step();
  void write_trace(const parallel::StepTrace& trace);
  void tell_end(report::RunState state, const std::string& reason);
  void explain_skip(const report::StepMetrics& metrics);
  bool due(i64 every) const;
  void validate();
  /// The tasks, if it is their step and their numbers are not there already.
  void evaluate_if_due();
  void save(RunWriter::Need need);
  TrainResult result();
  /// Of training, earlier processes included.
  double seconds() const { return earlier_seconds_ + seconds_since(started_); }

  bool is_root() const { return world_.rank() == 0; }
  /// Asked on all ranks: a signal may have reached any of them.
  bool stopped() { return trainer_.ranks().any(events_.stopped()); }
  i64 from_root(i64 number) const;

  Ctx& ctx_;
  const TrainEvents& events_;
  std::optional<comm::Comm> alone_;  // without a world
  comm::Comm& world_;
  RunSetup setup_;
  RunText text_;
  RunDirectory directory_;
  std::optional<ResumePoint> resume_;
  std::unique_ptr<Pretrain> pretrain_;  // if the request brings no stage
  Stage& stage_;
  TaskEvaluator* tasks_;
  RunCost cost_;
  Trainer trainer_;
  RunWriter writer_;
  double peak_flops_per_s_ = 0.0;
  std::unique_ptr<report::RunReporter> reporter_;
  Clock::time_point started_;
  double earlier_seconds_ = 0.0;
  i64 first_step_ = 0;
  std::optional<report::StepMetrics> last_step_;
  std::vector<report::ValidationMetrics> validation_;
  std::vector<report::TaskMetrics> task_metrics_;
};

}  // namespace fathom::train
