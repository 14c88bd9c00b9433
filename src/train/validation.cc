#include "train/validation.h"

#include <algorithm>
#include <numbers>

#include "train/balance.h"

namespace fathom::train {

model::TrainingBatch as_training_batch(const data::SequenceBatch& batch, bool isolate_documents) {
  return {.tokens = batch.tokens(),
          .targets = batch.targets(),
          .documents = batch.documents(),
          .samples = {batch.samples.data(), {batch.num_sequences}},
          .isolate_documents = isolate_documents};
}

TargetCount count_targets(const data::SequenceBatch& batch, std::span<const i32> text_bytes) {
  TargetCount count;
  const View<const i32, 2> main = batch.targets()[0];
  for (i64 i = 0; i < main.size(); ++i) {
    const i32 target = main.data()[i];
    if (target < 0) continue;
    ++count.targets;
    count.text_bytes += text_bytes[static_cast<size_t>(target)];
  }
  return count;
}

double bits_per_byte(double nll, i64 text_bytes) {
  if (text_bytes == 0) return 0.0;
  return nll / std::numbers::ln2 / static_cast<double>(text_bytes);
}

std::vector<double> ratios(std::span<const double> a, std::span<const i64> b) {
  std::vector<double> result;
  for (size_t i = 0; i < a.size(); ++i) {
    result.push_back(b[i] == 0 ? 0.0 : a[i] / static_cast<double>(b[i]));
  }
  return result;
}

std::vector<double> ratios(std::span<const i64> a, std::span<const i64> b) {
  const std::vector<double> numbers(a.begin(), a.end());
  return ratios(numbers, b);
}

std::optional<report::ValidationMetrics> validate_on(Ctx& ctx, model::TrainingModel& model,
                                                     const ValidationText& set,
                                                     const ValidationOptions& options) {
  const i64 all = set.num_sequences;
  const i64 count = options.max_sequences > 0 ? std::min(all, options.max_sequences) : all;
  model::StepStats stats(model.config());
  data::SequenceBatch batch;
  i64 text_bytes = 0;
  for (i64 first = 0; first < count; first += options.micro_batch_sequences) {
    if (options.stop_requested && options.stop_requested()) return std::nullopt;
    set.read({first, std::min(options.micro_batch_sequences, count - first)}, batch);
    text_bytes += count_targets(batch, options.text_bytes).text_bytes;
    model.forward_only(ctx, as_training_batch(batch, options.isolate_documents), stats);
  }
  report::ValidationMetrics metrics;
  metrics.step = options.step;
  metrics.set = set.name;
  metrics.loss = stats.targets == 0 ? 0.0 : stats.nll / static_cast<double>(stats.targets);
  metrics.bits_per_byte = bits_per_byte(stats.nll, text_bytes);
  metrics.mtp_loss = ratios(stats.mtp_nll, stats.mtp_targets);
  metrics.mtp_acceptance = ratios(stats.mtp_accepted, stats.mtp_drafts);
  metrics.load = layer_loads(stats, model);
  return metrics;
}

}  // namespace fathom::train
