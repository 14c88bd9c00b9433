#pragma once
// What each step of a run does, known before the first: a pure function of the run file. So a
// resumed run needs no schedule state, and a changed run file can be held against the steps that
// were taken already.
#include <string>
#include <vector>

#include "base/types.h"
#include "config/problems.h"
#include "config/run/run_config.h"

namespace fathom::train {

struct StepPlan {
  i64 step = 0;          // 1 for the first
  i64 first_sample = 0;  // of the step's sequences
  i64 sequences = 0;
  double lr = 0.0;
  double bias_update_speed = 0.0;  // gamma
  double mtp_weight = 0.0;         // lambda

  bool operator==(const StepPlan&) const = default;
};

class RunPlan {
 public:
  /// The config's own checks must have passed.
  explicit RunPlan(const RunConfig& config);

  i64 steps() const { return steps_; }
  i64 samples() const { return samples_before(steps_ + 1); }
  /// At least the tokens asked for: the last step is whole.
  i64 tokens() const { return samples() * seq_len_; }
  i64 seq_len() const { return seq_len_; }

  /// step from 1 on, also beyond steps().
  StepPlan step(i64 step) const;

  /// Rules between the run's length and its schedule: a warm-up that does not end in time.
  void check(Problems& problems) const;

 private:
  /// Steps of one size, from first_step to the next phase's.
  struct Phase {
    i64 first_step = 1;
    i64 first_sample = 0;
    i64 sequences = 0;
  };
  const Phase& phase_of(i64 step) const;
  i64 samples_before(i64 step) const;
  /// Share of the run's tokens before `step`.
  double frac_before(i64 step) const;
  void add_ramp(const TrainSection& train);
  i64 steps_for(i64 samples) const;

  ScheduleConfig schedule_;
  BalanceConfig balance_;
  MtpConfig mtp_;
  i64 seq_len_ = 0;
  std::vector<Phase> phases_;  // the last one goes on for ever
  i64 steps_ = 0;
};

/// "step 12: learning rate 0.0001, now 0.0002" for the first of the steps 1 .. `taken` that the two
/// plans do not agree on; empty if they agree.
std::string first_difference(const RunPlan& before, const RunPlan& after, i64 taken);

}  // namespace fathom::train
