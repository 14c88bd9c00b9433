#pragma once
// How much of a step a prefill may take when others wait for their next token.
#include "engine/schedule/limits.h"

namespace fathom::engine {

/// Two rules at once. No gap is long: a step with decoding sequences aims at
///   target = max(target_decodes * decode pass, target_s).
/// And decoding keeps decode_share of the time in the mean: each decode pass earns prefill
/// 1 / decode_share - 1 times its own length, and a slice of layers is run only while something is
/// earned. A layer longer than what is earned goes into debt, up to the target, and the next steps
/// pay it back by decoding alone. So short decode passes get short slices, not 100 ms each.
class StepBudget {
 public:
  explicit StepBudget(const SchedulerLimits& limits);

  double target_s(double decode_s) const;

  /// A decode pass was run (or, for a plan, will be) that was estimated to take `estimate_s`.
  /// An estimate, because a hiccup must not buy a long slice.
  void decoded(double estimate_s);
  /// Layers ran beside decoding sequences.
  void spend(double slice_s);
  /// A step without decoding: nobody is owed anything.
  void reset() { earned_s_ = 0; }

  /// Seconds of layers that fit after `elapsed_s` of a step whose decode pass takes `decode_s`, if
  /// one layer takes `layer_s`; 0: none. One layer is always granted once something is earned.
  double slice_s(double decode_s, double elapsed_s, double layer_s) const;

 private:
  SchedulerLimits limits_;
  double earned_s_ = 0;
};

}  // namespace fathom::engine
