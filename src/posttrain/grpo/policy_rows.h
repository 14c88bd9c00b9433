#pragma once
// Samples as rows of a batch, one a row.
#include <functional>
#include <span>
#include <vector>

#include "data/sequence_batch.h"
#include "model/training/training_batch.h"
#include "posttrain/grpo/policy_sample.h"

namespace fathom::posttrain {

/// The longest first, so that rows of a micro-batch are of like length.
std::vector<PolicySample*> longest_first(std::span<PolicySample> samples);

/// Rows as long as the longest sample; answers are targets of the main head, MTP modules have none.
void fill_rows(std::span<const PolicySample* const> samples, i64 mtp_depth,
               data::SequenceBatch& batch);

/// Calls each(sample, token of its answer, position of its target in the micro-batch) for the
/// targets at positions [first, first + count).
void for_each_target(std::span<PolicySample* const> samples, i64 seq_len, i64 first, i64 count,
                     const std::function<void(PolicySample&, i64 token, i64 position)>& each);

/// The experts of the rollout as a pass reads them, in `storage`: [MoE layers, rows * seq_len,
/// topk], -1 where a token has none.
View<const i32, 3> fill_routes(std::span<const PolicySample* const> samples, i64 seq_len,
                               i64 moe_layers, i64 topk, std::vector<i32>& storage);

/// Writes down what the model thinks of each answer's tokens and weighs nothing: for scoring.
class LogProbRecorder : public model::TokenObjective {
 public:
  using Member = std::vector<double> PolicySample::*;
  LogProbRecorder(std::span<PolicySample* const> samples, i64 seq_len, Member member,
                  double temperature = 1.0);
  double temperature() const override { return temperature_; }
  void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) override;

 private:
  std::span<PolicySample* const> samples_;
  i64 seq_len_;
  Member member_;
  double temperature_;
};

}  // namespace fathom::posttrain
