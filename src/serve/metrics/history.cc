#include "serve/metrics/history.h"

#include <utility>

namespace fathom::serve {

void History::add(const Activity& total, const Load& load, double now_s) {
  const Lock lock(mutex_);
  const Activity before = std::exchange(last_, total);
  const double before_s = std::exchange(last_s_, now_s);
  if (!std::exchange(begun_, true)) return;
  if (now_s <= before_s) return;  // the clock was set back: what a sample's rates are is not known
  Sample sample{.end_s = now_s, .seconds = now_s - before_s, .activity = {}, .load = load};
  for (const auto& [name, value] : kActivityColumns) {
    sample.activity.*value = total.*value - before.*value;
  }
  samples_.push_back(sample);
  if (samples_.size() > most_) samples_.pop_front();
}

std::vector<Sample> History::samples(double after_s) const {
  const Lock lock(mutex_);
  std::vector<Sample> found;
  for (const Sample& sample : samples_) {
    if (sample.end_s > after_s) found.push_back(sample);
  }
  return found;
}

}  // namespace fathom::serve
