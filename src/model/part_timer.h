#pragma once
#include <chrono>

#include "model/step_profile.h"

namespace fathom::model {

/// Adds the time of its scope to one part of a profile, if there is one.
class PartTimer {
 public:
  using Clock = std::chrono::steady_clock;

  PartTimer(StepProfile* profile, StepPart part) : profile_(profile), part_(part) {
    if (profile_ != nullptr) start_ = Clock::now();
  }
  ~PartTimer() {
    if (profile_ == nullptr) return;
    const std::chrono::duration<double> spent = Clock::now() - start_;
    profile_->seconds[static_cast<size_t>(part_)] += spent.count();
  }
  PartTimer(const PartTimer&) = delete;
  PartTimer& operator=(const PartTimer&) = delete;

 private:
  StepProfile* profile_;
  StepPart part_;
  Clock::time_point start_;
};

}  // namespace fathom::model
