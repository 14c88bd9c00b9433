#pragma once
// Samples as rows of a batch, one a row.
#include <functional>
#include <span>

#include "data/sequence_batch.h"
#include "model/training/training_batch.h"
#include "posttrain/grpo/policy_sample.h"

namespace fathom::posttrain {

/// Rows as long as the longest sample; answers are targets of the main head, MTP modules have none.
void fill_rows(std::span<const PolicySample* const> samples, i64 mtp_depth,
               data::SequenceBatch& batch);

/// Calls each(sample, token of its answer, position of its target in the micro-batch) for the
/// targets at positions [first, first + count).
void for_each_target(std::span<PolicySample* const> samples, i64 seq_len, i64 first, i64 count,
                     const std::function<void(PolicySample&, i64 token, i64 position)>& each);

/// Writes down what the model thinks of each answer's tokens and weighs nothing: for scoring.
class LogProbRecorder : public model::TokenObjective {
 public:
  using Member = std::vector<double> PolicySample::*;
  LogProbRecorder(std::span<PolicySample* const> samples, i64 seq_len, Member member);
  void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) override;

 private:
  std::span<PolicySample* const> samples_;
  i64 seq_len_;
  Member member_;
};

}  // namespace fathom::posttrain
