#pragma once
// Dynamic redundancy: a rank hosts more experts than it works on in a round, and how tokens are
// dealt to replicas is computed anew for every layer and round. Source: DeepSeek-V3 §3.4.1 (16
// hosted, 9 active), plan/placement/redundancy.h.
#include "model/expert_ranks/expert_ranks.h"

namespace fathom::engine {

/// The least largest load of a rank that the replicas allow, by a flow of tokens; ranks work on
/// `max_active` experts at most where that costs no more than some percent (0: any number). A rank
/// serves its own tokens first.
model::DealTokens least_largest_load(i64 max_active);

}  // namespace fathom::engine
