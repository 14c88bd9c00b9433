#pragma once
#include <utility>
#include <vector>

#include "comm/job.h"

namespace fathom::comm {

/// The deadline passed on the rank that throws this; the others hear of it as LostRanks.
class MissingRanks : public LostRanks {
 public:
  MissingRanks(std::string message, std::vector<int> ranks)
      : LostRanks(std::move(message)), ranks_(std::move(ranks)) {}
  /// That did not come, by their numbers in the job.
  const std::vector<int>& ranks() const noexcept { return ranks_; }

 private:
  std::vector<int> ranks_;
};

}  // namespace fathom::comm
