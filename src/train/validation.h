#pragma once
// Scoring a validation set: the losses alone, every token once.
#include <functional>
#include <optional>
#include <span>

#include "model/training/training_model.h"
#include "report/metrics/metrics.h"
#include "train/stage.h"

namespace fathom::train {

/// What the model is given of a batch of the loader's.
model::TrainingBatch as_training_batch(const data::SequenceBatch& batch, bool isolate_documents);

/// Targets of the main model in a batch, and the bytes of text that they stand for.
struct TargetCount {
  i64 targets = 0;
  i64 text_bytes = 0;
};
TargetCount count_targets(const data::SequenceBatch& batch, std::span<const i32> text_bytes);

/// nll nats over `text_bytes` bytes as bits per byte; 0 without text.
double bits_per_byte(double nll, i64 text_bytes);

/// a[i] / b[i], 0 where b[i] is 0: mean losses and shares of StepStats' sums.
std::vector<double> ratios(std::span<const double> a, std::span<const i64> b);
std::vector<double> ratios(std::span<const i64> a, std::span<const i64> b);

struct ValidationOptions {
  i64 step = 0;
  i64 micro_batch_sequences = 1;
  i64 max_sequences = 0;  // 0: all
  bool isolate_documents = false;
  std::span<const i32> text_bytes;            // of each id
  std::function<bool()> stop_requested = {};  // asked between micro-batches
};

/// The model's packed weights must be fresh. Nothing if it was stopped.
std::optional<report::ValidationMetrics> validate_on(Ctx& ctx, model::TrainingModel& model,
                                                     const ValidationText& set,
                                                     const ValidationOptions& options);

}  // namespace fathom::train
