#pragma once
#include "backend/cpu/linear/prepared_input.h"

namespace fathom::backend::cpu {

/// What stands between the two products of a feed-forward: silu(gate x) * up x [x.tokens,
/// gate.rows], in the form that products with weights like `down` multiply.
PreparedInput gated_input(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                          const MatRef& gate, const MatRef& up, const MatRef& down,
                          device::LinearMode mode);

}  // namespace fathom::backend::cpu
