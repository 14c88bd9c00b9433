#pragma once
// Do ranks that hold the same weights hold the same bits? A fault of memory or network that nothing
// else sees ends here.
#include <span>
#include <string>

#include "parallel/groups.h"

namespace fathom::parallel {

/// Collective. "" on all ranks if all copies are equal; else, on the ranks of a group where they
/// are not, the first tensor that differs and the ranks whose copy is not the one that most have
/// (of equally many: not the first rank's).
std::string replica_difference(Groups& groups, const Shards& shards,
                               std::span<const float> weights);

}  // namespace fathom::parallel
