#pragma once
// Where the experts of a layer are: the same on all ranks, a pure function of what all of them
// know.
#include <span>
#include <vector>

#include "base/types.h"

namespace fathom::model {

/// Slots hold an expert each and are numbered rank by rank, `slots` a rank; an expert with several
/// slots has replicas.
class ExpertMap {
 public:
  ExpertMap() = default;
  /// `expert_of_slot` [ranks * slots]: each of the `experts` at least once (InternalError).
  ExpertMap(std::vector<i32> expert_of_slot, i64 experts, i64 slots);

  i64 experts() const { return static_cast<i64>(first_.size()) - 1; }
  i64 slots() const { return slots_; }
  i64 ranks() const { return static_cast<i64>(expert_of_.size()) / slots_; }
  i32 expert_of(i64 slot) const { return expert_of_[static_cast<size_t>(slot)]; }
  i64 rank_of(i64 slot) const { return slot / slots_; }
  /// Rising.
  std::span<const i32> slots_of(i64 expert) const {
    const auto begin = static_cast<size_t>(first_[static_cast<size_t>(expert)]);
    const auto end = static_cast<size_t>(first_[static_cast<size_t>(expert) + 1]);
    return std::span(slots_of_).subspan(begin, end - begin);
  }
  /// The expert's first slot on the rank; -1: it has none there.
  i32 slot_on(i64 expert, i64 rank) const;

 private:
  i64 slots_ = 1;
  std::vector<i32> expert_of_;  // [ranks * slots]
  std::vector<i32> first_;      // [experts + 1] into slots_of_
  std::vector<i32> slots_of_;   // by expert
};

}  // namespace fathom::model
