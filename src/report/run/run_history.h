#pragma once
// What the report shows, gathered record by record in bounded memory: the same from a run that is
// going on and from its metrics.jsonl.
#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "report/metrics/metrics_json.h"
#include "report/run/bucketed_rows.h"
#include "report/run/expert_shares.h"

namespace fathom::report {

/// A member of StepMetrics that is drawn as a curve.
struct StepCurve {
  std::string_view key;
  double (*value)(const StepMetrics&);
};
/// The columns of RunHistory::steps() before those of the MTP losses.
extern const std::array<StepCurve, 9> kStepCurves;

/// A number of one layer that is drawn as a curve.
struct LayerCurve {
  std::string_view key;
  double (*value)(const LayerLoad&);
};
extern const std::array<LayerCurve, 5> kLayerCurves;

/// The curves of one validation set.
struct SetHistory {
  std::string name;
  BucketedRows loss{512};  // loss, bits per byte
  BucketedRows mtp_loss{512};
  BucketedRows mtp_acceptance{512};
  ExpertShares shares{300'000, 16, 64};
  ValidationMetrics latest;
  double best_loss = 0.0;           // NaN while no loss was finite
  double best_bits_per_byte = 0.0;  // where the loss was best
  i64 best_step = 0;
};

/// The layers' numbers over the steps.
struct LoadHistory {
  std::vector<std::string> layers;
  BucketedRows numbers{2};  // [layers * kLayerCurves]
  ExpertShares shares{1'000'000, 32, 256};
  std::vector<LayerLoad> latest;  // of the last step that recorded shares
  i64 latest_step = 0;
};

/// The numbers that a stage behind pre-training adds to its steps.
struct StageHistory {
  std::vector<std::string> names;
  BucketedRows numbers{1024};  // [names]
};

/// The curves of one task.
struct TaskHistory {
  std::string name;
  std::vector<std::string> metrics;
  BucketedRows values{512};  // [metrics]
  BucketedRows errors{512};  // [metrics], NaN where a metric has none
  TaskMetrics latest;
};

struct SkippedStep {
  i64 step = 0;
  std::string reason;
};

class RunHistory {
 public:
  void add(const MetricsRecord& record);

  const RunInfo& info() const { return info_; }
  const std::optional<RunEnd>& end() const { return end_; }
  const std::optional<StepMetrics>& last_step() const { return last_step_; }
  const BucketedRows& steps() const { return steps_; }
  const LoadHistory& load() const { return load_; }
  const StageHistory& stage() const { return stage_; }
  const std::vector<SetHistory>& sets() const { return sets_; }
  const std::vector<TaskHistory>& tasks() const { return tasks_; }
  /// The last step at which tasks were measured; -1 without one.
  i64 evaluated_step() const;
  /// The last kept ones, oldest first; num_skipped() counts all.
  const std::vector<SkippedStep>& skipped() const { return skipped_; }
  i64 num_skipped() const { return num_skipped_; }
  /// [layers of the validation sets]: how differently the sets load a layer's experts, a row a
  /// validated step with two sets or more. See jensen_shannon_bits.
  BucketedRows specialisation() const;
  const std::vector<std::string>& specialised_layers() const { return specialised_layers_; }
  /// Mean of a step curve over the last `steps` steps (about: whole buckets); NaN without any.
  double recent_mean(size_t curve, i64 steps) const;

 private:
  void add_step(const StepMetrics& step);
  void add_load(const StepMetrics& step);
  void add_stage(const StepMetrics& step);
  void add_validation(const ValidationMetrics& validation);
  void add_task(const TaskMetrics& task);
  void add_specialisation(BucketedRows& rows) const;
  RunPosition position() const;

  RunInfo info_;
  std::optional<RunEnd> end_;
  std::optional<StepMetrics> last_step_;  // without its load
  BucketedRows steps_{1024};
  LoadHistory load_;
  StageHistory stage_;
  std::vector<SetHistory> sets_;
  std::vector<TaskHistory> tasks_;
  std::vector<SkippedStep> skipped_;
  i64 num_skipped_ = 0;
  std::vector<ValidationMetrics> same_step_;  // validations of the newest validated step
  RunPosition same_step_at_;
  BucketedRows specialisation_{512};  // without them
  std::vector<std::string> specialised_layers_;
};

struct ReadRun {
  RunHistory history;
  i64 damaged_lines = 0;
  std::string first_damage;
};
/// The history that RUN/metrics.jsonl tells; `path` is the run directory or that file.
[[nodiscard]] Result<ReadRun> read_run(const std::filesystem::path& path);

}  // namespace fathom::report
