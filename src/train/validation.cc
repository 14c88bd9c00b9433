#include "train/validation.h"

#include <algorithm>
#include <numbers>

#include "base/checked_math.h"
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

std::optional<report::ValidationMetrics> validate_on(Ctx& ctx, const Scorers& scorers,
                                                     const ValidationText& set,
                                                     const ValidationOptions& options) {
  parallel::Ranks& ranks = scorers.ranks;
  const i64 all = set.num_sequences;
  const i64 count = options.max_sequences > 0 ? std::min(all, options.max_sequences) : all;
  const i64 sharers = ranks.layout().data(), micro = options.micro_batch_sequences;
  const data::SampleRange share = data::rank_share({0, count}, ranks.data_rank(), sharers);
  const i64 batches = ranks.batches_to_run(data::batches_of_shares(count, sharers, micro),
                                           ceil_div(share.count, micro));
  const i64 rounds = data::batches_of_shares(count, sharers, micro);
  model::StepStats stats(scorers.model.config());
  // As many at a time as fill the pipeline; between them a run may be stopped.
  std::vector<data::SequenceBatch> group(static_cast<size_t>(2 * ranks.layout().pipeline - 1));
  i64 text_bytes = 0;
  for (i64 first = 0; first < rounds; first += std::ssize(group)) {
    if (ranks.any(options.stop_requested && options.stop_requested())) return std::nullopt;
    const i64 here = std::clamp<i64>(batches - first, 0, std::ssize(group));
    for (i64 i = 0; i < here; ++i) {
      data::SequenceBatch& batch = group[static_cast<size_t>(i)];
      set.read(data::batch_of_share(share, first + i, micro), batch);
      text_bytes += count_targets(batch, options.text_bytes).text_bytes;
    }
    scorers.pipeline.forward(ctx,
                             {.count = here,
                              .batch =
                                  [&](i64 i) {
                                    return as_training_batch(group[static_cast<size_t>(i)],
                                                             options.isolate_documents);
                                  }},
                             &stats);
  }
  parallel::sum_stats(ranks.world(), stats);
  ranks.groups().data().all_reduce_i64({&text_bytes, 1}, comm::Reduce::kSum);
  report::ValidationMetrics metrics;
  metrics.step = options.step;
  metrics.set = set.name;
  metrics.loss = stats.targets == 0 ? 0.0 : stats.nll / static_cast<double>(stats.targets);
  metrics.bits_per_byte = bits_per_byte(stats.nll, text_bytes);
  metrics.mtp_loss = ratios(stats.mtp_nll, stats.mtp_targets);
  metrics.mtp_acceptance = ratios(stats.mtp_accepted, stats.mtp_drafts);
  metrics.load = layer_loads(stats, scorers.model);
  return metrics;
}

}  // namespace fathom::train
