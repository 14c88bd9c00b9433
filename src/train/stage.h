#pragma once
// What a stage of training gives a run: its sequences, and what a step does beside learning them.
// Pre-training is one (pretrain.h), the stages behind it are in posttrain/. The run itself (plan,
// optimizer, checkpoints, reports, resuming) is the same for all.
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/data_loader.h"
#include "model/training/training_model.h"
#include "report/metrics/metrics.h"
#include "train/events.h"
#include "train/run/plan.h"

namespace fathom::train {

/// A set that losses are measured on; thread-safe.
struct ValidationText {
  std::string name;
  i64 num_sequences = 0;
  /// Sequences of the set, from the left.
  std::function<void(data::SampleRange range, data::SequenceBatch& batch)> read;
};

class Stage {
 public:
  virtual ~Stage() = default;

  /// Samples [range.first, range.first + range.count) into `batch`: the same tokens whatever was
  /// read before, for a run that resumes.
  virtual void read(data::SampleRange range, data::SequenceBatch& batch) = 0;
  /// Of a number in SequenceBatch::sources.
  virtual std::string_view source_name(i32 source) const = 0;
  virtual std::span<const ValidationText> validation() const = 0;
  /// Changes if any sample could: for a resumed run to see that its data are the same.
  virtual io::Hash128 fingerprint() const = 0;
  /// What there is to train on, for the log.
  virtual std::string statistics() const = 0;

  /// Ids that end what this model writes, beside data.eos_token: for its generation_config.
  virtual std::vector<i64> end_ids() const { return {}; }

  /// Once, before this process's first step: what takes long, told by events.progress. It asks
  /// events.stopped() while it goes on; where that holds it returns with part of its work done, and
  /// the run ends without a step. The same call of a run that goes on does the rest.
  virtual void begin_run(Ctx&, const TrainEvents&) {}
  /// Before the sequences of a step are read; the weights are those the step begins with.
  virtual void begin_step(Ctx&, const StepPlan&, model::TrainingModel&) {}
  /// What a micro-batch has beside its tokens: a loss of the stage's own (without: each target
  /// weighs 1 / targets of the step), routes. Valid until the step's end: in a pipeline several
  /// micro-batches are on their way.
  virtual void prepare(const data::SequenceBatch&, model::TrainingBatch&) {}
  /// Numbers of the step of which every rank has a share: added up over the ranks behind its
  /// passes.
  virtual std::span<double> sums() { return {}; }
  /// Why a run of this stage has one rank, or "". On several, each has a stage of its own.
  virtual std::string alone_because() const { return ""; }
  /// Behind the update: what the stage has to say of the step.
  virtual void end_step(report::StepMetrics&) {}
};

}  // namespace fathom::train
