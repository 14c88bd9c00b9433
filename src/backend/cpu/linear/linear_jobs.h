#pragma once
// Products y = x w^T of prepared inputs, several in one parallel region.
#include <span>

#include "backend/cpu/linear/prepared_input.h"

namespace fathom::backend::cpu {

/// Multiplications that are worth waking a thread.
inline constexpr i64 kThreadProducts = i64{1} << 16;

/// One product y = x w^T.
struct LinearJob {
  PreparedInput x;
  MatRef w;
  View<float, 2> y;
};

/// The arguments of a job whose input is panels.
kernels::PanelLinearArgs panel_args(const LinearJob& job);

/// Runs all jobs; no y may overlap another job's x, w or y.
void run_linear_jobs(Ctx& ctx, std::span<const LinearJob> jobs);

}  // namespace fathom::backend::cpu
