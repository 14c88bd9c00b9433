#include "posttrain/grpo/grpo.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/rng.h"
#include "checkpoint/flat_weights.h"
#include "data/permutation.h"
#include "posttrain/grpo/answer_of.h"
#include "posttrain/grpo/policy_loss.h"
#include "train/validation.h"

namespace fathom::posttrain {
namespace {

constexpr u64 kOrderStream = 0x70726f6d70740000, kRandomRewardStream = 0x636f696e;

std::vector<PolicySample*> pointers(std::span<PolicySample> samples) {
  std::vector<PolicySample*> result;
  for (PolicySample& sample : samples) result.push_back(&sample);
  return result;
}

/// The longest first, so that rows of a micro-batch are of like length.
void sort_by_length(std::vector<PolicySample*>& samples) {
  std::ranges::stable_sort(samples, std::greater<>{},
                           [](const PolicySample* sample) { return sample->ids.size(); });
}

}  // namespace

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

RolloutConfig Grpo::rollout_config() const {
  return {.group_size = grpo_.group_size,
          .max_new_tokens = grpo_.max_new_tokens,
          .parallel = grpo_.parallel,
          .end_ids = parts_.stop_ids,
          .f32 = parts_.config.recipe.precision.mode == TrainPrecision::kF32,
          .seed = static_cast<u64>(parts_.config.data.seed)};
}

/// A function of the rollout's number: epoch after epoch, each in an order of its own.
std::vector<RolloutPrompt> Grpo::prompts_of(i64 rollout) const {
  const i64 count = grpo_.prompts * grpo_.minibatches, all = std::ssize(parts_.prompts);
  const auto seed = static_cast<u64>(parts_.config.data.seed);
  std::vector<RolloutPrompt> prompts;
  std::optional<data::Permutation> order;
  for (i64 i = rollout * count, epoch = -1; i < (rollout + 1) * count; ++i) {
    if (i / all != epoch) {
      epoch = i / all;
      order.emplace(all, seed, kOrderStream + static_cast<u64>(epoch));
    }
    const i64 number = order->at(i % all);
    prompts.push_back({.prompt = &parts_.prompts[static_cast<size_t>(number)],
                       .number = number,
                       .group = i});
  }
  return prompts;
}

void Grpo::begin_run(i64 first_step) {
  log_.keep_to(first_step - 1);
  policy_ = model::Model::share(model_->config(), model_->layout(), model_->weights());
  if (grpo_.kl_weight == 0.0) return;
  reference_.assign(model_->weights().begin(), model_->weights().end());
  if (first_step > 1) {
    checkpoint::read_model_directory(*ctx_, model_->config(), model_->layout(),
                                     parts_.config.model.init_from, reference_);
  }
}

void Grpo::begin_step(Ctx& ctx, const train::StepPlan& plan, model::TrainingModel& model) {
  ctx_ = &ctx;
  model_ = &model;
  const Clock::time_point begin = Clock::now();
  if (policy_ == nullptr) begin_run(plan.step);
  held_out_.clear();
  const bool due = plan.step == 1 ||
                   (grpo_.held_out_every > 0 && (plan.step - 1) % grpo_.held_out_every == 0);
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
  step_begin_s_ = seconds_since(begin);
}

void Grpo::make_rollout(i64 step) {
  const Clock::time_point begin = Clock::now();
  samples_ = roll_out(*ctx_, *policy_, *parts_.tokenizer,
                      prompts_of((step - 1) / steps_per_rollout()), rollout_config());
  rollout_s_ = seconds_since(begin);
  rollout_tokens_ = 0;
  for (const PolicySample& sample : samples_) rollout_tokens_ += sample.answer_tokens();
  judge(samples_, parts_.prompts);
  log_.append(step, samples_, parts_.prompts, *parts_.tokenizer);
  if (steps_per_rollout() > 1) score(samples_, &PolicySample::old_log_probs);
  if (!reference_.empty()) score_reference(samples_);
  if (steps_per_rollout() > 1) log_.save_rollout(step, samples_);
}

void Grpo::judge(std::vector<PolicySample>& samples, const std::vector<Prompt>& prompts) const {
  const Philox coins(static_cast<u64>(parts_.config.data.seed), kRandomRewardStream);
  for (PolicySample& sample : samples) {
    const std::string text = answer_text(sample, *parts_.tokenizer);
    const auto draw = coins.at(static_cast<u64>(sample.group) << 20 |
                               static_cast<u64>(sample.choice));
    sample.reward = parts_.rewarder->reward(prompts[static_cast<size_t>(sample.prompt)].key,
                                            {.text = text,
                                             .tokens = sample.answer_tokens(),
                                             .truncated = sample.truncated,
                                             .draw = draw[0]});
    sample.kept = !(sample.truncated && grpo_.truncated == GrpoTruncated::kMask);
  }
  const auto group = static_cast<size_t>(grpo_.group_size);
  if (samples.size() % group != 0) return;  // held out: no advantages are asked for
  for (size_t first = 0; first < samples.size(); first += group) {
    std::vector<double> rewards;
    std::vector<bool> kept;
    for (size_t i = first; i < first + group; ++i) {
      rewards.push_back(samples[i].reward.total);
      kept.push_back(samples[i].kept);
    }
    const std::vector<double> advantages = group_advantages(rewards, kept, grpo_.advantage);
    for (size_t i = 0; i < group; ++i) samples[first + i].advantage = advantages[i];
  }
}

/// What the model as it is thinks of every answer's tokens, into `member`.
void Grpo::score(std::span<PolicySample> samples, Member member) {
  model_->refresh_weights(*ctx_);
  std::vector<PolicySample*> all = pointers(samples);
  sort_by_length(all);
  const auto micro = static_cast<size_t>(parts_.config.train.micro_batch_sequences);
  data::SequenceBatch batch;
  model::StepStats unused(model_->config());
  for (size_t first = 0; first < all.size(); first += micro) {
    const auto part = std::span(all).subspan(first, std::min(micro, all.size() - first));
    fill_rows({part.data(), part.size()}, parts_.mtp_depth, batch);
    LogProbRecorder recorder(part, batch.seq_len, member);
    model::TrainingBatch input = train::as_training_batch(batch, false);
    input.objective = &recorder;
    model_->forward_only(*ctx_, input, unused);
  }
}

void Grpo::score_reference(std::span<PolicySample> samples) {
  std::ranges::swap_ranges(model_->weights(), reference_);
  score(samples, &PolicySample::reference_log_probs);
  std::ranges::swap_ranges(model_->weights(), reference_);
}

void Grpo::choose_samples(i64 phase) {
  const auto count = static_cast<size_t>(grpo_.prompts * grpo_.group_size);
  const auto first = static_cast<size_t>(phase % grpo_.minibatches) * count;
  step_samples_ = pointers(std::span(samples_).subspan(first, count));
  sort_by_length(step_samples_);
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

void Grpo::find_log_ratios(std::span<PolicySample* const> samples) {
  log_ratios_.clear();
  std::vector<PolicySample> now;
  for (const PolicySample* sample : samples) now.push_back(*sample);
  score(now, &PolicySample::rollout_log_probs);
  for (const PolicySample& sample : now) {
    double sum = 0.0;
    for (size_t t = 0; t < sample.old_log_probs.size(); ++t) {
      sum += sample.rollout_log_probs[t] - sample.old_log_probs[t];
    }
    log_ratios_.push_back(sum / static_cast<double>(std::max<i64>(1, sample.answer_tokens())));
  }
}

model::TokenObjective* Grpo::objective(const data::SequenceBatch& batch) {
  const auto samples = samples_of(batch);
  log_ratios_.clear();
  const bool has_old = steps_per_rollout() > 1;
  if (grpo_.ratio == GrpoRatio::kSequence && has_old) find_log_ratios(samples);
  loss_.begin_batch(samples, batch.seq_len, log_ratios_);
  return &loss_;
}

void Grpo::measure_held_out() {
  for (const GrpoParts::HeldOut& set : parts_.held_out) {
    std::vector<RolloutPrompt> prompts;
    for (size_t i = 0; i < set.prompts.size(); ++i) {
      prompts.push_back({&set.prompts[i], static_cast<i64>(i), static_cast<i64>(i)});
    }
    for (const bool greedy : {true, false}) {
      RolloutConfig config = rollout_config();
      config.group_size = greedy ? 1 : grpo_.held_out_samples;
      config.temperature = greedy ? 0.0 : 1.0;
      config.seed += 1;  // apart from training's draws, and the same at every step
      auto samples = roll_out(*ctx_, *policy_, *parts_.tokenizer, prompts, config);
      judge(samples, set.prompts);
      i64 right = 0, solved = 0;
      const auto group = static_cast<size_t>(config.group_size);
      for (size_t first = 0; first < samples.size(); first += group) {
        i64 of_group = 0;
        for (size_t i = first; i < first + group; ++i) of_group += samples[i].reward.is_right;
        right += of_group;
        solved += of_group > 0 ? 1 : 0;
      }
      const auto share = [](i64 count, size_t of) {
        return static_cast<double>(count) / static_cast<double>(of);
      };
      held_out_.emplace_back(set.name + (greedy ? "/greedy" : "/pass_at_1"),
                             share(right, samples.size()));
      if (greedy) continue;
      held_out_.emplace_back(fmt::format("{}/pass_at_{}", set.name, group),
                             share(solved, prompts.size()));
    }
  }
}

void Grpo::end_step(report::StepMetrics& metrics) {
  add_sample_numbers(metrics);
  add_loss_numbers(metrics);
  if (metrics.step == parts_.config.train.steps) {
    std::vector<report::NamedNumber> before = std::move(held_out_);
    held_out_.clear();
    measure_held_out();  // the finished policy
    if (metrics.step > 1) before.clear();
    held_out_.insert(held_out_.begin(), before.begin(), before.end());
  }
  metrics.stage.insert(metrics.stage.end(), held_out_.begin(), held_out_.end());
  const PolicyStats& stats = loss_.stats();
  const double drift = stats.drift / static_cast<double>(std::max<i64>(1, stats.drift_targets));
  if (drift > grpo_.max_drift) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("step {}: training's log-probabilities differ from the rollout's by {:.4f} "
                            "in the mean, more than grpo.max_drift = {}: they are no longer one "
                            "policy",
                            metrics.step, drift, grpo_.max_drift));
  }
}

}  // namespace fathom::posttrain
