#include "train/run/plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "train/learning_rate.h"

namespace fathom::train {

RunPlan::RunPlan(const RunConfig& config)
    : schedule_(config.schedule),
      balance_(config.recipe.balance),
      mtp_(config.recipe.mtp),
      seq_len_(config.data.seq_len) {
  add_ramp(config.train);
  const i64 wanted_samples = ceil_div(config.train.tokens, seq_len_);
  steps_ = config.train.steps > 0 ? config.train.steps : steps_for(wanted_samples);
}

void RunPlan::add_ramp(const TrainSection& train) {
  const i64 start = train.batch_start_sequences, end = train.batch_sequences;
  const i64 growth = end - start;
  if (start > 0 && growth > 0) {
    // A step has start + floor(growth * tokens / ramp) sequences, so size start + k ends at the
    // first step with at least ramp * (k + 1) / growth tokens before it.
    const i64 whole = train.batch_ramp_tokens / growth, rest = train.batch_ramp_tokens % growth;
    i64 step = 1, sample = 0;
    for (i64 k = 0; k < growth; ++k) {
      const i64 end_tokens = whole * (k + 1) + ceil_div(rest * (k + 1), growth);
      const i64 missing = ceil_div(end_tokens, seq_len_) - sample;
      if (missing <= 0) continue;  // the batch grows by more than one sequence a step
      phases_.push_back({step, sample, start + k});
      const i64 count = ceil_div(missing, start + k);
      step += count;
      sample += count * (start + k);
    }
    phases_.push_back({step, sample, end});
  } else {
    phases_.push_back({1, 0, end});
  }
}

const RunPlan::Phase& RunPlan::phase_of(i64 step) const {
  const auto after = std::ranges::upper_bound(phases_, step, {}, &Phase::first_step);
  return *(after - 1);
}

i64 RunPlan::samples_before(i64 step) const {
  const Phase& phase = phase_of(step);
  return phase.first_sample + (step - phase.first_step) * phase.sequences;
}

i64 RunPlan::steps_for(i64 samples) const {
  const auto after = std::ranges::lower_bound(phases_, samples, {}, &Phase::first_sample);
  const Phase& phase = after == phases_.begin() ? *after : *(after - 1);
  return phase.first_step - 1 + ceil_div(samples - phase.first_sample, phase.sequences);
}

double RunPlan::frac_before(i64 step) const {
  return static_cast<double>(samples_before(step)) / static_cast<double>(samples());
}

StepPlan RunPlan::step(i64 step) const {
  const double frac = frac_before(step);
  return {.step = step,
          .first_sample = samples_before(step),
          .sequences = phase_of(step).sequences,
          .lr = learning_rate(
              schedule_,
              {.step = step, .frac = frac, .warmup_frac = frac_before(schedule_.warmup_steps + 1)}),
          .bias_update_speed = frac < balance_.bias_freeze_frac ? balance_.bias_update_speed : 0.0,
          .mtp_weight = frac < mtp_.late_frac ? mtp_.loss_weight : mtp_.late_loss_weight};
}

void RunPlan::check(Problems& problems) const {
  if (schedule_.warmup_steps == 0) return;
  const auto refuse = [&](const std::string& text) {
    problems.invalid("schedule.warmup_steps", fmt::format("{} of the run's {} steps: {}",
                                                          schedule_.warmup_steps, steps_, text));
  };
  if (schedule_.warmup_steps > steps_) return refuse("the warm-up is longer than the run");
  const double end = frac_before(schedule_.warmup_steps + 1);
  if (schedule_.shape == ScheduleShape::kV3 && end > schedule_.cosine_begin_frac) {
    refuse(fmt::format("the warm-up ends after schedule.cosine_begin_frac = {}",
                       schedule_.cosine_begin_frac));
  }
  if (schedule_.shape == ScheduleShape::kWsd && end > 1.0 - schedule_.decay_frac) {
    refuse(fmt::format("the warm-up ends after the decay begins (schedule.decay_frac = {})",
                       schedule_.decay_frac));
  }
}

std::string first_difference(const RunPlan& before, const RunPlan& after, i64 taken) {
  for (i64 number = 1; number <= taken; ++number) {
    const StepPlan a = before.step(number), b = after.step(number);
    if (a == b && before.seq_len() == after.seq_len()) continue;
    const auto differ = [&](const char* what, auto was, auto now) {
      return fmt::format("step {}: {} {}, now {}", number, what, was, now);
    };
    if (a.sequences != b.sequences) return differ("sequences", a.sequences, b.sequences);
    if (a.lr != b.lr) return differ("learning rate", a.lr, b.lr);
    if (a.bias_update_speed != b.bias_update_speed) {
      return differ("bias update speed", a.bias_update_speed, b.bias_update_speed);
    }
    if (a.mtp_weight != b.mtp_weight) return differ("MTP weight", a.mtp_weight, b.mtp_weight);
    return differ("tokens a sequence", before.seq_len(), after.seq_len());
  }
  return "";
}

}  // namespace fathom::train
