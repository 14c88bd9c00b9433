#pragma once
// What a run leaves in its directory: checkpoints on the way, models at the end.
#include <span>
#include <string>

#include "device/ctx.h"
#include "report/metrics/metrics.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/run_directory.h"
#include "train/events.h"
#include "train/run/setup.h"
#include "train/trainer.h"

namespace fathom::train {

/// With several ranks, every method that writes is called by all of them.
class RunWriter {
 public:
  /// All of them must outlive it.
  RunWriter(const RunSetup& setup, const RunDirectory& directory, Trainer& trainer,
            const TrainEvents& events)
      : setup_(setup), directory_(directory), trainer_(trainer), events_(events) {}

  /// A last checkpoint must succeed; one that is only useful may fail, and the run goes on.
  enum class Need { kUseful, kLast };

  /// Writes a checkpoint of the step that the trainer stands at, remembers it if it is the best by
  /// `validation` (the last one, which may be of an earlier step), and removes those not kept.
  /// Weights that are not finite are not saved, nor is a skipped step unless it is the last.
  /// Throws Error where a last checkpoint cannot be written; then the earlier ones stay.
  void save(Ctx& ctx, Need need, std::span<const report::ValidationMetrics> validation);

  /// The finished model, and that of the averaged weights if there is an average. Models that are
  /// there stay if nothing was `trained` since.
  void write_models(Ctx& ctx, bool trained);

  /// The checkpoint of `step` is there already.
  void resumed_from(i64 step) { saved_step_ = step; }
  /// Of the newest checkpoint that this run wrote or resumed from; -1 without one.
  i64 saved_step() const { return saved_step_; }
  /// "the last good checkpoint is PATH", or that there is none.
  std::string last_checkpoint() const;

 private:
  bool worth_saving(Ctx& ctx, Need need) const;
  void note_best(std::span<const report::ValidationMetrics> validation);
  ModelFiles model_files() const;
  std::vector<StateArray> arrays() const;
  void write_one_model(Ctx& ctx, bool trained, std::string_view weights,
                       const std::filesystem::path& directory);
  /// Rank 0 writes, the others give it what it asks for; on all ranks what went wrong, if anything.
  std::optional<Error> write_state(Ctx& ctx, const std::filesystem::path& path);

  const RunSetup& setup_;
  const RunDirectory& directory_;
  Trainer& trainer_;
  const TrainEvents& events_;
  i64 saved_step_ = -1;
};

}  // namespace fathom::train
