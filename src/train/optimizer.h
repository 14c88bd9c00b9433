#pragma once
// AdamW over the flat arrays of a model, with its moments, and the average of the weights: of the
// blocks that this rank owns (parallel/shards.h), which is all of them on one rank.
#include <span>
#include <vector>

#include "config/run/optimizer_config.h"
#include "device/ctx.h"
#include "parallel/shards.h"
#include "tensor/bf16.h"
#include "tensor/buffer.h"
#include "train/checkpoint/state_array.h"

namespace fathom::train {

class Optimizer {
 public:
  /// Moments 0, the average not begun. Throws Error{kOutOfMemory}. The layout must outlive it.
  Optimizer(const parallel::Shards& shards, const OptimizerConfig& config);

  /// Bytes of moments and average, for tables before anything is allocated.
  static i64 moment_bytes(i64 elements, const OptimizerConfig& config);
  static i64 average_bytes(i64 elements, const OptimizerConfig& config);

  /// The average begins at `weights`.
  void start_average(std::span<const float> weights);

  /// The factor that brings a gradient of this norm to clip_norm, at most 1. As
  /// torch.nn.utils.clip_grad_norm_: clip_norm / (norm + 1e-6).
  float clip_scale(double norm) const;

  /// One update of the owned blocks of `weights` by scaled gradients, both of the whole array;
  /// slots without gradient are left alone. `update` is 1 for the first.
  void step(Ctx& ctx, i64 update, double lr, float gradient_scale, std::span<float> weights,
            std::span<const float> gradients);
  /// average = ema_decay * average + (1 - ema_decay) * weights; after the step and the balance
  /// rule.
  void update_average(Ctx& ctx, std::span<const float> weights);

  bool has_average() const { return config_.ema_decay > 0.0; }
  /// Of the owned blocks, one behind the other: on one rank the array of the weights.
  std::span<float> average();
  /// What a checkpoint holds of it: exp_avg, exp_avg_sq and, if there is one, ema.
  std::vector<StateArray> state();

 private:
  /// Neighbouring blocks that are treated alike.
  struct Segment {
    i64 begin = 0;  // in the weights' array
    i64 end = 0;
    i64 stored = 0;  // in the arrays of owned blocks
    bool has_gradient = false;
    bool weight_decay = false;
  };

  OptimizerConfig config_;
  i64 array_elements_;  // of the weights
  i64 elements_;        // of the owned blocks
  std::vector<Segment> segments_;
  Buffer exp_avg_, exp_avg_sq_, average_;
};

}  // namespace fathom::train
