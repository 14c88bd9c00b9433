#include "posttrain/grpo/grpo.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "posttrain/held_out.h"

namespace fathom::posttrain {

Grpo::Grpo(GrpoParts parts)
    : parts_(std::move(parts)),
      grpo_(parts_.config.grpo),
      log_(parts_.config.run.out),
      loss_(grpo_) {}

io::Hash128 Grpo::fingerprint() const {
  io::Hasher hasher;
  for (const Prompt& prompt : parts_.prompts) {
    hasher.add(std::ssize(prompt.ids));
    hasher.update({reinterpret_cast<const u8*>(prompt.ids.data()),
                   prompt.ids.size() * sizeof(prompt.ids[0])});
    hasher.add(prompt.key.answer);
    hasher.add(prompt.key.tests);
  }
  hasher.add(parts_.config.data.seed);
  return hasher.digest();
}

std::string Grpo::statistics() const {
  return fmt::format("{}{}\n", parts_.statistics, describe_formula(grpo_));
}

void Grpo::take_up(i64 first_step) {
  log_.keep_to(first_step - 1);
  policy_ = model::Model::share(model_->config(), model_->layout(), model_->weights());
  if (grpo_.kl_weight > 0.0) load_reference(first_step);
}

void Grpo::begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) {
  ctx_ = &ctx;
  model_ = &model;
  const Clock::time_point begin = Clock::now();
  if (policy_ == nullptr) take_up(plan.step);
  replace_reference(plan.step);
  held_out_.clear();
  const bool due =
      plan.step == 1 || (grpo_.held_out_every > 0 && (plan.step - 1) % grpo_.held_out_every == 0);
  if (due) measure_held_out();
  first_sample_ = plan.first_sample;
  const i64 phase = (plan.step - 1) % steps_per_rollout();
  rollout_s_ = 0.0;
  if (phase == 0) {
    make_rollout(plan.step);
  } else if (samples_.empty()) {
    samples_ = log_.load_rollout(plan.step - phase);
  }
  choose_samples(phase);
  loss_.begin_step(step_samples_);
  replay_.changed.clear();
  replay_.pairs = 0;
  step_begin_s_ = seconds_since(begin);
}

void Grpo::choose_samples(i64 phase) {
  const auto count = static_cast<size_t>(grpo_.prompts * grpo_.group_size);
  const auto first = static_cast<size_t>(phase % grpo_.minibatches) * count;
  step_samples_ = longest_first(std::span(samples_).subspan(first, count));
}

void Grpo::read(data::SampleRange range, data::SequenceBatch& batch) {
  const auto first = static_cast<size_t>(range.first - first_sample_);
  const auto part = std::span(step_samples_).subspan(first, static_cast<size_t>(range.count));
  fill_rows({part.data(), part.size()}, parts_.mtp_depth, batch);
  for (i64 r = 0; r < range.count; ++r) batch.samples[static_cast<size_t>(r)] = range.first + r;
}

std::span<PolicySample* const> Grpo::samples_of(const data::SequenceBatch& batch) const {
  const auto first = static_cast<size_t>(batch.samples.front() - first_sample_);
  return std::span(step_samples_).subspan(first, static_cast<size_t>(batch.num_sequences));
}

void Grpo::prepare(const data::SequenceBatch& batch, model::TrainingBatch& input) {
  const auto samples = samples_of(batch);
  log_ratios_.clear();
  const bool has_old = steps_per_rollout() > 1;
  if (grpo_.ratio == GrpoRatio::kSequence && has_old) find_log_ratios(samples);
  loss_.begin_batch(samples, batch.seq_len, log_ratios_);
  input.objective = &loss_;
  input.routes = routes_of(samples, batch.seq_len);
}

void Grpo::end_step(report::StepMetrics& metrics) {
  add_sample_numbers(metrics);
  add_loss_numbers(metrics);
  const std::vector<report::NamedNumber> before = std::exchange(held_out_, {});
  if (metrics.step == parts_.config.train.steps) measure_held_out();  // the finished policy
  add_held_out(before, held_out_, metrics);
  const PolicyStats& stats = loss_.stats();
  const double drift = stats.drift / static_cast<double>(std::max<i64>(1, stats.drift_targets));
  if (drift > grpo_.max_drift) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("step {}: training's log-probabilities differ from the rollout's by "
                            "{:.4f} in the mean, more than grpo.max_drift = {}: they are no longer "
                            "one policy",
                            metrics.step, drift, grpo_.max_drift));
  }
}

}  // namespace fathom::posttrain
