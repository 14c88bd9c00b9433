#pragma once
// Benchmarks that a run puts to its model on the way. A run only calls this: what tasks are is
// known above it.
#include <optional>
#include <vector>

#include "device/ctx.h"
#include "model/training/training_model.h"
#include "report/metrics/metrics.h"

namespace fathom::train {

class TaskEvaluator {
 public:
  virtual ~TaskEvaluator() = default;

  /// Measures the model with its f32 weights as they are, which stay so; nothing if it was stopped
  /// on the way. TaskMetrics::step is `step`. Throws Error: a model whose log-probabilities are not
  /// finite, memory.
  virtual std::optional<std::vector<report::TaskMetrics>> evaluate(Ctx& ctx,
                                                                   model::TrainingModel& model,
                                                                   i64 step) = 0;
};

}  // namespace fathom::train
