#include "posttrain/sft/sft.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fathom::posttrain {

Sft::Sft(SftParts parts)
    : config_(std::move(parts.config)),
      mtp_depth_(parts.mtp_depth),
      seed_(static_cast<u64>(config_.data.seed)),
      seq_len_(config_.data.seq_len),
      samples_(std::move(parts.train), seq_len_, seed_, PackedSamples::Order::kShuffled),
      sources_(std::move(parts.sources)),
      statistics_(std::move(parts.statistics)),
      end_ids_(std::move(parts.end_ids)) {
  for (SftParts::NamedSet& named : parts.validation) {
    auto& set = sets_.emplace_back(std::make_unique<PackedSamples>(
        std::move(named.set), seq_len_, seed_, PackedSamples::Order::kAsPacked));
    validation_.push_back({.name = named.name,
                           .num_sequences = set->rows_per_epoch(),
                           .read = [&packed = *set, depth = mtp_depth_](
                                       data::SampleRange range, data::SequenceBatch& batch) {
                             packed.read(range, depth, batch);
                           }});
  }
}

io::Hash128 Sft::fingerprint() const {
  io::Hasher hasher;
  samples_.set().add_to(hasher);
  hasher.add(seq_len_);
  hasher.add(static_cast<i64>(seed_));
  return hasher.digest();
}

std::string Sft::statistics() const {
  return fmt::format(
      "{}packed into {} sequences of {} tokens an epoch, {:.1f} % of the places "
      "hold a token\n",
      statistics_, samples_.rows_per_epoch(), seq_len_, 100.0 * samples_.filled());
}

void Sft::begin_step(Ctx&, const train::StepPlan& plan, model::TrainingModel&) {
  i64 targets = 0, with_targets = 0;
  step_tokens_ = 0;
  step_positions_ = plan.sequences * seq_len_;
  for (i64 row = plan.first_sample; row < plan.first_sample + plan.sequences; ++row) {
    for (const i64 sample : samples_.row(row)) {
      step_tokens_ += samples_.set().length(sample);
      const i64 count = samples_.set().num_targets(sample);
      targets += count;
      with_targets += count > 0 ? 1 : 0;
    }
  }
  step_targets_ = targets;
  step_samples_ = with_targets;
  prepared_ = 0;
}

void Sft::prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) {
  if (prepared_ == losses_.size()) losses_.emplace_back(config_.sft.loss);
  SampleLoss& loss = losses_[prepared_++];
  loss.begin_step(step_targets_, step_samples_);
  loss.begin_batch(batch);
  input.objective = &loss;
}

std::span<double> Sft::sums() {
  sample_mean_ = 0.0;
  for (size_t i = 0; i < prepared_; ++i) sample_mean_ += losses_[i].sample_mean();
  return {&sample_mean_, 1};
}

void Sft::end_step(report::StepMetrics& metrics) {
  metrics.stage = {
      {"supervised_tokens", static_cast<double>(step_targets_)},
      {"samples", static_cast<double>(step_samples_)},
      {"sample_loss", sample_mean_},
      {"packing", static_cast<double>(step_tokens_) / static_cast<double>(step_positions_)},
  };
}

}  // namespace fathom::posttrain
