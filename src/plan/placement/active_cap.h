#pragma once
// Internal to placement/: fewer experts with tokens on a GPU.
#include "plan/placement/token_flow.h"

namespace fathom::plan {

/// Moves tokens around cycles of shares until none is left; loads and experts' sums stay. A forest
/// of E + U nodes has at most E + U - 1 shares.
void cancel_cycles(TokenFlow& flow);

/// Hands shares on until no GPU works on more than `max_active` experts, smallest shares first,
/// loads within `limit`. False: some GPU still has more.
bool cap_active(TokenFlow& flow, i64 max_active, i64 limit);

}  // namespace fathom::plan
