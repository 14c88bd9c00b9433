#include "posttrain/sft/sample_loss.h"

#include <algorithm>

#include "base/check.h"

namespace fathom::posttrain {

void SampleLoss::begin_step(i64 targets, i64 samples) {
  targets_ = targets;
  samples_ = samples;
  sample_mean_ = 0.0;
}

void SampleLoss::begin_batch(const data::SequenceBatch& batch) {
  inverse_targets_.assign(static_cast<size_t>(batch.num_sequences * batch.seq_len), 0.0f);
  for (i64 s = 0; s < batch.num_sequences; ++s) {
    const View<const i32, 1> documents = batch.documents()[s], targets = batch.targets()[0][s];
    for (i64 begin = 0, end = 0; begin < batch.seq_len; begin = end) {
      i64 count = 0;
      for (end = begin; end < batch.seq_len && documents(end) == documents(begin); ++end) {
        count += targets(end) >= 0 ? 1 : 0;
      }
      for (i64 i = begin; i < end; ++i) {
        if (targets(i) < 0) continue;
        inverse_targets_[static_cast<size_t>(s * batch.seq_len + i)] =
            1.0f / static_cast<float>(count);
      }
    }
  }
}

void SampleLoss::weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) {
  FATHOM_CHECK(first + nll.dim(0) <= std::ssize(inverse_targets_), first, " + ", nll.dim(0), " of ",
               inverse_targets_.size(), " positions");
  const float each = 1.0f / static_cast<float>(std::max<i64>(1, targets_));
  const float of_sample = 1.0f / static_cast<float>(std::max<i64>(1, samples_));
  for (i64 i = 0; i < nll.dim(0); ++i) {
    const float inverse = inverse_targets_[static_cast<size_t>(first + i)];
    weights(i) = inverse == 0.0f ? 0.0f : kind_ == SftLoss::kTokens ? each : of_sample * inverse;
    sample_mean_ += nll(i) * static_cast<double>(of_sample * inverse);
  }
}

}  // namespace fathom::posttrain
