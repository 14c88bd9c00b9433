#include "train/trainer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "train/balance.h"

namespace fathom::train {
namespace {

double total_loss(const model::StepStats& stats) {
  double sum = stats.nll + stats.balance_loss;
  for (const double nll : stats.mtp_nll) sum += nll;
  return sum;
}

}  // namespace

Trainer::Trainer(const Ctx& ctx, const RunSetup& setup, Stage& stage,
                 std::span<const i32> text_bytes, i64 micro_batch_sequences)
    : setup_(setup),
      stage_(stage),
      text_bytes_(text_bytes),
      model_(ctx, setup.model, setup.config.recipe, micro_batch_sequences, setup.plan.seq_len()),
      optimizer_(model_.layout(), setup.config.optimizer),
      stats_(setup.model) {
  state_.micro_batch_sequences = micro_batch_sequences;
}

TargetCount Trainer::read_batches(const StepPlan& plan) {
  const i64 micro = state_.micro_batch_sequences;
  TargetCount count;
  num_batches_ = 0;
  for (i64 done = 0; done < plan.sequences; done += micro) {
    if (num_batches_ == std::ssize(batches_)) batches_.emplace_back();
    data::SequenceBatch& batch = batches_[static_cast<size_t>(num_batches_++)];
    stage_.read({plan.first_sample + done, std::min(micro, plan.sequences - done)}, batch);
    const TargetCount part = count_targets(batch, text_bytes_);
    count.targets += part.targets;
    count.text_bytes += part.text_bytes;
  }
  return count;
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

std::string Trainer::accumulate(Ctx& ctx, const StepPlan& plan, i64 targets) {
  const model::LossScale scale = {.targets = static_cast<double>(std::max<i64>(1, targets)),
                                  .sequences = static_cast<double>(plan.sequences),
                                  .mtp_weight = plan.mtp_weight};
  model_.begin_step(ctx);
  if (model_.needs_counting_pass() && num_batches_ > 1) {
    for (const data::SequenceBatch& batch : batches()) model_.count_experts(ctx, batch_of(batch));
  }
  stats_.clear();
  for (const data::SequenceBatch& batch : batches()) {
    model::TrainingBatch part = batch_of(batch);
    part.objective = stage_.objective(batch);
    model_.forward_backward(ctx, part, scale, stats_);
    if (!std::isfinite(total_loss(stats_))) {
      return fmt::format("the loss is not finite: {}", describe_samples({&batch, 1}));
    }
  }
  return "";
}

void Trainer::update(Ctx& ctx, const StepPlan& plan, double norm) {
  ++state_.updates;
  optimizer_.step(ctx, state_.updates, plan.lr, optimizer_.clip_scale(norm), model_.weights(),
                  model_.gradients());
  update_router_biases(setup_.config.recipe.balance, plan.bias_update_speed, stats_, model_);
  optimizer_.update_average(ctx, model_.weights());
}

report::StepMetrics Trainer::step(Ctx& ctx) {
  const StepPlan plan = setup_.plan.step(state_.step + 1);
  stage_.begin_step(ctx, plan, model_);
  const TargetCount count = read_batches(plan);
  std::string skipped = accumulate(ctx, plan, count.targets);
  const double norm = optimizer_.gradient_norm(ctx, model_.gradients());
  if (skipped.empty() && !std::isfinite(norm)) {
    skipped = fmt::format("the gradient is not finite: {}", describe_samples(batches()));
  }
  state_.step = plan.step;
  state_.next_sample = plan.first_sample + plan.sequences;
  state_.tokens += plan.sequences * setup_.plan.seq_len();
  if (skipped.empty()) {
    update(ctx, plan, norm);
    state_.skipped_in_row = 0;
  } else {
    ++state_.skipped_steps;
    ++state_.skipped_in_row;
  }
  report::StepMetrics metrics = metrics_of(plan, count, norm);
  metrics.load = layer_loads(stats_, model_);
  metrics.skipped = std::move(skipped);
  stage_.end_step(metrics);
  return metrics;
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
  metrics.balance_loss = stats_.balance_loss;
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
    auto metrics = validate_on(ctx, model_, set,
                               {.step = state_.step,
                                .micro_batch_sequences = state_.micro_batch_sequences,
                                .max_sequences = cap,
                                .isolate_documents = setup_.config.data.isolate_documents,
                                .text_bytes = text_bytes_,
                                .stop_requested = stop_requested});
    if (!metrics) return std::nullopt;
    all.push_back(std::move(*metrics));
  }
  return all;
}

}  // namespace fathom::train
