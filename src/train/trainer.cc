#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/clock.h"
#include "parallel/replica_check.h"
#include "train/balance.h"

namespace fathom::train {
namespace {

double total_loss(const model::StepStats& stats) {
  double sum = stats.nll + stats.balance_loss();
  for (const double nll : stats.mtp_nll) sum += nll;
  return sum;
}

}  // namespace

Trainer::Trainer(const Ctx& ctx, const RunSetup& setup, Stage& stage,
                 std::span<const i32> text_bytes, i64 micro_batch_sequences, comm::Comm* world)
    : alone_(world == nullptr ? std::optional(comm::Comm::self()) : std::nullopt),
      ranks_(world == nullptr ? *alone_ : *world, setup.config.parallel, setup.model,
             micro_batch_sequences * setup.plan.seq_len()),
      setup_(setup),
      stage_(stage),
      text_bytes_(text_bytes),
      model_(ctx, setup.model, setup.config.recipe, micro_batch_sequences, setup.plan.seq_len(),
             ranks_.part()),
      shards_(ranks_.shards(model_.layout())),
      pipeline_(ranks_.groups(), model_, setup.config.parallel.overlap),
      owners_(ranks_.groups(), shards_),
      optimizer_(shards_, setup.config.optimizer),
      stats_(setup.model) {
  state_.micro_batch_sequences = micro_batch_sequences;
  if (setup.config.parallel.reduction == GradientReduction::kAnyLayout) {
    trees_.emplace(setup.model, model_.layout(), ranks_.part().stages);
  }
}

TargetCount Trainer::read_batches(const StepPlan& plan) {
  const i64 micro = state_.micro_batch_sequences, ranks = ranks_.layout().data();
  const data::SampleRange share =
      data::rank_share({plan.first_sample, plan.sequences}, ranks_.data_rank(), ranks);
  TargetCount count;
  num_batches_ = data::batches_of_shares(plan.sequences, ranks, micro);
  if (num_batches_ > std::ssize(batches_)) batches_.resize(static_cast<size_t>(num_batches_));
  for (i64 i = 0; i < num_batches_; ++i) {
    data::SequenceBatch& batch = batches_[static_cast<size_t>(i)];
    stage_.read(data::batch_of_share(share, i, micro), batch);
    const TargetCount part = count_targets(batch, text_bytes_);
    count.targets += part.targets;
    count.text_bytes += part.text_bytes;
  }
  i64 sums[] = {count.targets, count.text_bytes};
  ranks_.groups().data().all_reduce_i64(sums, comm::Reduce::kSum);
  return {.targets = sums[0], .text_bytes = sums[1]};
}

model::TrainingBatch Trainer::batch_of(const data::SequenceBatch& batch) const {
  return as_training_batch(batch, setup_.config.data.isolate_documents);
}

std::string Trainer::describe_samples(std::span<const data::SequenceBatch> batches) const {
  std::map<i32, i64> by_source;
  for (const data::SequenceBatch& batch : batches) {
    for (const i32 source : batch.sources) ++by_source[source];
  }
  std::string text = fmt::format("samples {} to {}", batches.front().samples.front(),
                                 batches.back().samples.back());
  for (const auto& [source, count] : by_source) {
    text += fmt::format(", {} of {}", count, stage_.source_name(source));
  }
  return text;
}

std::string Trainer::accumulate(Ctx& ctx, const StepPlan& plan, i64 targets,
                                parallel::StepTrace* trace) {
  const model::LossScale scale = {.targets = static_cast<double>(std::max<i64>(1, targets)),
                                  .sequences = static_cast<double>(plan.sequences),
                                  .mtp_weight = plan.mtp_weight};
  model_.begin_step(ctx);
  parallel::MicroBatches micro{
      .count = ranks_.batches_to_run(
          num_batches_,
          std::ranges::count_if(
              batches(), [](const data::SequenceBatch& batch) { return batch.num_sequences > 0; })),
      .batch = [&](i64 i) {
        const data::SequenceBatch& batch = batches_[static_cast<size_t>(i)];
        model::TrainingBatch part = batch_of(batch);
        stage_.prepare(batch, part);
        return part;
      }};
  if (model_.needs_counting_pass() && (num_batches_ > 1 || ranks_.layout().ranks > 1)) {
    pipeline_.forward(ctx, micro, nullptr);
    ranks_.groups().holders().all_reduce_i64(model_.counted(), comm::Reduce::kSum);
    model_.counted().back() = plan.sequences;
  }
  stats_.clear();
  std::string not_finite;  // the first; other ranks wait for the passes that are left
  micro.trace = trace;
  if (trees_) micro.trees = &*trees_;
  micro.done = [&](i64 i) {
    if (!not_finite.empty() || std::isfinite(total_loss(stats_))) return;
    not_finite = fmt::format("the loss is not finite: {}",
                             describe_samples({&batches_[static_cast<size_t>(i)], 1}));
  };
  pipeline_.step(ctx, micro, scale, stats_);
  parallel::sum_stats(ranks_.world(), stats_);
  ranks_.sum(stage_.sums());
  return ranks_.first_message(not_finite);
}

void Trainer::sum_gradients(Ctx& ctx) {
  owners_.sum_to_owners(ctx, model_.gradients(), setup_.config.parallel.reduction);
}

void Trainer::update(Ctx& ctx, const StepPlan& plan, double norm, parallel::StepTrace* trace) {
  ++state_.updates;
  parallel::traced(trace, "AdamW", [&] {
    optimizer_.step(ctx, state_.updates, plan.lr, optimizer_.clip_scale(norm), model_.weights(),
                    model_.gradients());
  });
  parallel::traced(trace, "gathering of weights",
                   [&] { owners_.gather_from_owners(ctx, model_.weights()); });
  update_router_biases(setup_.config.recipe.balance, plan.bias_update_speed, stats_, model_);
  optimizer_.update_average(ctx, model_.weights());
}

report::StepMetrics Trainer::step(Ctx& ctx, parallel::StepTrace* trace) {
  const Clock::time_point begin = Clock::now();
  const comm::Traffic before = ranks_.world().traffic();
  const StepPlan plan = setup_.plan.step(state_.step + 1);
  ranks_.world().set_place({.step = plan.step});
  stage_.begin_step(ctx, plan, model_);
  const TargetCount count = read_batches(plan);
  std::string skipped = accumulate(ctx, plan, count.targets, trace);
  parallel::traced(trace, "sum of gradients", [&] { sum_gradients(ctx); });
  const double norm = parallel::gradient_norm(ctx, ranks_.world(), shards_, model_.gradients());
  if (skipped.empty() && !std::isfinite(norm)) {
    skipped = fmt::format("the gradient is not finite: {}", describe_samples(batches()));
  }
  state_.step = plan.step;
  state_.next_sample = plan.first_sample + plan.sequences;
  state_.tokens += plan.sequences * setup_.plan.seq_len();
  if (skipped.empty()) {
    update(ctx, plan, norm, trace);
    state_.skipped_in_row = 0;
  } else {
    ++state_.skipped_steps;
    ++state_.skipped_in_row;
  }
  report::StepMetrics metrics = metrics_of(plan, count, norm);
  metrics.load = layer_loads(stats_, model_);
  complete_loads(metrics.load);
  metrics.skipped = std::move(skipped);
  stage_.end_step(metrics);
  const i64 every = setup_.config.parallel.check_every;
  if (every > 0 && plan.step % every == 0) check_replicas();
  if (ranks_.layout().ranks > 1) add_rank_times(before, seconds_since(begin), metrics);
  return metrics;
}

model::TrainingMemory Trainer::memory(const Ctx& ctx) {
  const i64 micro = state_.micro_batch_sequences;
  const std::vector<i64> slots = pipeline_.slots(data::batches_of_shares(
      setup_.plan.step(setup_.plan.steps()).sequences, ranks_.layout().data(), micro));
  model::TrainingMemory memory = model::training_memory(
      ctx, setup_.model, setup_.config.recipe, micro, setup_.plan.seq_len(), ranks_.part(), slots);
  add_optimizer_memory(shards_.own_elements(), setup_.config.optimizer, memory);
  return memory;
}

void Trainer::check_replicas() {
  const std::string difference = ranks_.first_message(
      parallel::replica_difference(ranks_.groups(), shards_, model_.weights()));
  if (difference.empty()) return;
  throw Error(
      ErrorCode::kIo,
      fmt::format("step {}: ranks that hold the same weights do not agree, after a fault of "
                  "memory or network: {}; go on from the last checkpoint",
                  state_.step, difference));
}

void Trainer::add_rank_times(const comm::Traffic& before, double seconds,
                             report::StepMetrics& metrics) {
  const comm::Traffic now = ranks_.world().traffic();
  // Passes that run beside each other wait at the same time, so that waits add up to more than the
  // step.
  const double waited = now.wait_s - before.wait_s;
  const double mine[] = {std::max(0.0, seconds - waited), waited,
                         static_cast<double>(now.sent_bytes - before.sent_bytes),
                         static_cast<double>(now.network_bytes - before.network_bytes)};
  std::vector<double> all(std::size(mine) * static_cast<size_t>(ranks_.layout().ranks));
  ranks_.world().all_gather(std::as_bytes(std::span(mine)), std::as_writable_bytes(std::span(all)));
  size_t slowest = 0;
  for (size_t rank = 0; rank < static_cast<size_t>(ranks_.layout().ranks); ++rank) {
    const double* of_rank = all.data() + rank * std::size(mine);
    if (of_rank[0] > all[slowest * std::size(mine)]) slowest = rank;
    metrics.stage.emplace_back(fmt::format("rank{}_compute_s", rank), of_rank[0]);
    metrics.stage.emplace_back(fmt::format("rank{}_wait_s", rank), of_rank[1]);
    metrics.stage.emplace_back(fmt::format("rank{}_sent_bytes", rank), of_rank[2]);
    metrics.stage.emplace_back(fmt::format("rank{}_network_bytes", rank), of_rank[3]);
  }
  metrics.stage.emplace_back("slowest_rank", static_cast<double>(slowest));
}

void Trainer::complete_loads(std::vector<report::LayerLoad>& loads) {
  std::vector<double> highest;  // of the bias and of its negative
  for (i64 layer = 0; layer < std::ssize(loads); ++layer) {
    const report::LayerLoad& load = loads[static_cast<size_t>(layer)];
    const bool here = !model_.router_bias(layer).empty();
    highest.push_back(here ? load.bias_max : -std::numeric_limits<double>::infinity());
    highest.push_back(here ? -load.bias_min : -std::numeric_limits<double>::infinity());
  }
  ranks_.max(highest);
  for (size_t layer = 0; layer < loads.size(); ++layer) {
    if (!std::isfinite(highest[2 * layer])) continue;  // a router without a bias
    loads[layer].bias_max = highest[2 * layer];
    loads[layer].bias_min = -highest[2 * layer + 1];
  }
}

report::StepMetrics Trainer::metrics_of(const StepPlan& plan, const TargetCount& count,
                                        double norm) const {
  report::StepMetrics metrics;
  metrics.step = plan.step;
  metrics.tokens = state_.tokens;
  metrics.samples = state_.next_sample;
  metrics.loss = stats_.targets == 0 ? 0.0 : stats_.nll / static_cast<double>(stats_.targets);
  metrics.bits_per_byte = bits_per_byte(stats_.nll, count.text_bytes);
  metrics.mtp_loss = ratios(stats_.mtp_nll, stats_.mtp_targets);
  metrics.balance_loss = stats_.balance_loss();
  metrics.lr = plan.lr;
  metrics.grad_norm = norm;
  metrics.bias_update_speed = plan.bias_update_speed;
  metrics.dropped = stats_.dropped;
  return metrics;
}

std::optional<std::vector<report::ValidationMetrics>> Trainer::validate(
    Ctx& ctx, const std::function<bool()>& stop_requested) {
  model_.refresh_weights(ctx);
  // The figures that a run is quoted by are of the whole sets.
  const i64 cap = state_.step == setup_.plan.steps() ? 0 : setup_.config.train.validation_sequences;
  std::vector<report::ValidationMetrics> all;
  for (const ValidationText& set : stage_.validation()) {
    auto metrics = validate_on(ctx, {model_, ranks_, pipeline_}, set,
                               {.step = state_.step,
                                .micro_batch_sequences = state_.micro_batch_sequences,
                                .max_sequences = cap,
                                .isolate_documents = setup_.config.data.isolate_documents,
                                .text_bytes = text_bytes_,
                                .stop_requested = stop_requested});
    if (!metrics) return std::nullopt;
    complete_loads(metrics->load);
    all.push_back(std::move(*metrics));
  }
  return all;
}

}  // namespace fathom::train
