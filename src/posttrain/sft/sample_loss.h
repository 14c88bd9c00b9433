#pragma once
#include <vector>

#include "config/run/sft_config.h"
#include "data/sequence_batch.h"
#include "model/training/training_batch.h"

namespace fathom::posttrain {

/// The loss of a step of samples, whose numbers are the whole step's, so that any micro-batches
/// give the same:
///   tokens   L = sum_s sum_t nll_st / sum_s n_s
///   samples  L = 1/S sum_s (1/n_s) sum_t nll_st
/// n_s: targets of sample s. Both are measured, whichever is minimised.
class SampleLoss : public model::TokenObjective {
 public:
  explicit SampleLoss(SftLoss kind) : kind_(kind) {}

  /// Of the step: its targets, and its samples that have any.
  void begin_step(i64 targets, i64 samples);
  /// The micro-batch that weigh() is asked about next.
  void begin_batch(const data::SequenceBatch& batch);
  void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) override;

  i64 targets() const { return targets_; }
  /// L of `samples`, as much of it as was weighed since begin_step().
  double& sample_mean() { return sample_mean_; }

 private:
  SftLoss kind_;
  i64 targets_ = 0, samples_ = 0;
  double sample_mean_ = 0.0;
  std::vector<float> inverse_targets_;  // [positions] 1 / n_s; 0 without a target
};

}  // namespace fathom::posttrain
