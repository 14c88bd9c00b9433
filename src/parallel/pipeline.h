#pragma once
// Runs the lists of plan/schedule: one interpreter for all schedules. One rank alone runs 1F1B of
// one stage, which is one micro-batch after another.
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/side_thread.h"
#include "device/ctx.h"
#include "model/training/training_model.h"
#include "parallel/carrier.h"
#include "parallel/groups.h"
#include "parallel/step_trace.h"
#include "parallel/tree_sum.h"

namespace fathom::parallel {

/// One micro-batch after another, of this rank's share of a step.
struct MicroBatches {
  i64 count = 0;
  /// Asked when the forward pass of one begins on a stage here; its views live until the step ends.
  std::function<model::TrainingBatch(i64)> batch;
  /// After its backward pass through a stage here; may be empty.
  std::function<void(i64)> done = {};
  GradientTrees* trees = nullptr;  // of this model: gradients are added up by them
  StepTrace* trace = nullptr;
};

class Pipeline {
 public:
  /// `overlap`: the forward and the backward pass of an overlapped pair run beside each other, so
  /// that one computes while the other waits for tokens; the same bits. Both must outlive it; the
  /// model has the stages of stages_of_rank().
  Pipeline(Groups& groups, model::TrainingModel& model, bool overlap);

  /// Forward and backward of all: gradients into the model, sums into `stats`. Of one layout the
  /// same bits whatever the timing; of one path the bits of one rank.
  void step(Ctx& ctx, const MicroBatches& batches, const model::LossScale& scale,
            model::StepStats& stats);
  /// The most micro-batches that are on each stage here at once, with weight work that waits, in a
  /// step of so many.
  std::vector<i64> slots(i64 micro_batches) const;
  /// Forward passes alone, with the losses. `stats` nullptr: only counts experts.
  void forward(Ctx& ctx, const MicroBatches& batches, model::StepStats* stats);

 private:
  struct Pass {
    Ctx& ctx;
    const plan::Schedule& schedule;
    const MicroBatches& batches;
    const model::LossScale& scale;
    model::StepStats* stats;
  };
  const plan::Schedule& schedule_for(i64 micro_batches);
  plan::StagePlace place(const plan::Schedule& schedule, i64 chunk) const;
  void run(const Pass& pass, const plan::ScheduleOp& op);
  /// Of the batches of the step.
  i64 number_of(const Pass& pass, i64 chunk, i64 micro_batch) const;
  i64 take_slot(const Pass& pass, i64 chunk, i64 micro_batch);
  void forward_chunk(const Pass& pass, Ctx& ctx, i64 chunk, i64 slot,
                     model::TrainingModel::Dropping dropping);
  void send_embeddings(const Pass& pass, Ctx& ctx, i64 slot, plan::StagePlace from);
  void backward_chunk(const Pass& pass, Ctx& ctx, i64 chunk, i64 slot,
                      model::TrainingModel::WeightWork weights);
  void end_backward(const Pass& pass, i64 chunk, i64 micro_batch,
                    model::TrainingModel::WeightWork weights);
  void run_pair(const Pass& pass, const plan::ScheduleOp& op);
  void oldest_weights(const Pass& pass);
  void add_to_tree(const Pass& pass, i64 chunk, GradientTrees::Half half);
  i64& slot_of(i64 chunk, i64 micro_batch);

  comm::Comm& comm_;
  const RankLayout& layout_;
  model::TrainingModel& model_;
  bool overlap_;
  Carrier forward_carrier_, backward_carrier_;  // each used by one thread at a time
  std::unique_ptr<SideThread> side_;            // from the first overlapped pair on
  std::optional<plan::Schedule> schedule_;
  std::vector<std::vector<i64>> slots_;  // [chunk][micro-batch]
  struct Waiting {
    i64 slot, chunk;
  };
  std::deque<Waiting> pending_;  // weight work
};

}  // namespace fathom::parallel
