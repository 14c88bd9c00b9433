#include "model/expert_ranks/expert_map.h"

#include "base/check.h"

namespace fathom::model {

ExpertMap::ExpertMap(std::vector<i32> expert_of_slot, i64 experts, i64 slots)
    : slots_(slots),
      expert_of_(std::move(expert_of_slot)),
      first_(static_cast<size_t>(experts + 1), 0),
      slots_of_(expert_of_.size()) {
  FATHOM_CHECK(slots >= 1 && !expert_of_.empty() && std::ssize(expert_of_) % slots == 0,
               expert_of_.size(), " slots, ", slots, " a rank");
  for (const i32 expert : expert_of_) {
    FATHOM_CHECK(expert >= 0 && expert < experts, "expert ", expert, " of ", experts);
    ++first_[static_cast<size_t>(expert) + 1];
  }
  for (size_t e = 0; e + 1 < first_.size(); ++e) {
    FATHOM_CHECK(first_[e + 1] > 0, "expert ", e, " has no slot");
    first_[e + 1] += first_[e];
  }
  std::vector<i32> next(first_.begin(), first_.end() - 1);
  for (size_t slot = 0; slot < expert_of_.size(); ++slot) {
    const auto expert = static_cast<size_t>(expert_of_[slot]);
    slots_of_[static_cast<size_t>(next[expert]++)] = static_cast<i32>(slot);
  }
}

i32 ExpertMap::slot_on(i64 expert, i64 rank) const {
  for (const i32 slot : slots_of(expert)) {
    if (rank_of(slot) == rank) return slot;
  }
  return -1;
}

}  // namespace fathom::model
