#pragma once
// How the CPU's ops share rows and units out to threads. No result may depend on it.
#include "base/parallel.h"
#include "device/ctx.h"

namespace fathom::backend::cpu {

/// Simple operations that take about as long as waking a thread.
inline constexpr i64 kThreadWork = 8192;

/// fn(begin, end) over disjoint ranges of rows of about `row_work` simple operations each: rows
/// that are not worth a thread's wake-up stay with their neighbours.
template <typename Fn>
void for_rows(i64 rows, i64 row_work, Fn&& fn) {
  const i64 grain = row_work >= kThreadWork ? 1 : kThreadWork / (row_work > 0 ? row_work : 1);
  parallel_for(rows, grain, fn);
}

/// All thread contexts get room for the largest unit that any of them ran, so that the next step
/// allocates nothing whoever runs it.
void level_workspaces(std::span<const std::unique_ptr<Ctx>> contexts);

/// fn(ctx of the thread, unit) for units [0, count), each on one thread as one becomes free, in
/// rising order. Ops run in that context on the one thread, with a workspace of their own.
template <typename Fn>
void for_units(Ctx& ctx, i64 count, Fn&& fn) {
  const i64 available = available_threads();
  const auto contexts = ctx.thread_contexts(count < available ? count : available);
  parallel_for_each(
      count, [&](i64 thread, i64 unit) { fn(*contexts[static_cast<size_t>(thread)], unit); });
  level_workspaces(contexts);
}

}  // namespace fathom::backend::cpu
