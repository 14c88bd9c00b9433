#include "backend/cpu/linear/partition.h"

#include <algorithm>

#include "base/checked_math.h"
#include "base/parallel.h"
#include "kernels/cpu/linear/linear_table.h"

namespace fathom::backend::cpu {
namespace {

/// Tokens below which a product costs the reading of its weights, not its arithmetic.
constexpr i64 kReadBoundTokens = 8;
/// A prefill product is cut into more parts than threads, of so many multiplications or more:
/// whoever is free takes the next, because other programs may hold a core. Decoding has one part a
/// thread, whose weights lie near its core.
constexpr i64 kPartProducts = i64{1} << 24;
constexpr i64 kThreadParts = 4;

/// What a row of weights costs, in arbitrary units.
i64 row_cost(const LinearJob& job) {
  return std::max(job.x.tokens, kReadBoundTokens) * std::max<i64>(job.x.in, 1);
}

/// Rows that no cut separates: those that are decoded at once, or the kernel's tile.
i64 row_grain(const LinearJob& job) {
  return job.x.form == PreparedInput::Form::kPanels ? kernels::kPanelRowBlock
                                                    : kernels::cpu::kLinearRowGrain;
}

}  // namespace

i64 parts_for(std::span<const LinearJob> jobs) {
  i64 products = 0, grains = 0;
  for (const LinearJob& job : jobs) {
    products += job.x.tokens * job.w.rows * job.w.cols;
    grains += ceil_div(job.w.rows, row_grain(job));
  }
  const i64 useful = std::min(grains, ceil_div(products, kThreadProducts));
  const i64 threads = std::clamp<i64>(useful, 1, available_threads());
  if (threads == 1) return 1;
  return std::clamp(std::min(grains, products / kPartProducts), threads, kThreadParts * threads);
}

Partition::Partition(std::span<const LinearJob> jobs, i64 parts) : jobs_(jobs), parts_(parts) {
  for (const LinearJob& job : jobs) total_ += cost_of(job);
}

i64 Partition::cost_of(const LinearJob& job) { return job.w.rows * row_cost(job); }

i64 Partition::row_at(const LinearJob& job, i64 offset) {
  if (offset <= 0) return 0;
  if (offset >= cost_of(job)) return job.w.rows;
  const i64 grain = row_grain(job);
  return offset / row_cost(job) / grain * grain;
}

}  // namespace fathom::backend::cpu
