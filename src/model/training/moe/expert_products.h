#pragma once
// One product for each expert that at least one token of the step was routed to, all in one call.
#include "model/training/layers/linear.h"
#include "ops/moe/moe_train.h"

namespace fathom::model::training {

/// The permuted rows of one expert that has any, and whose tokens they are.
struct ActiveExpert {
  i64 expert, begin, count;
  std::span<const i32> tokens;
};

/// fn(ActiveExpert, index among the active).
template <typename Fn>
void for_active_experts(const ops::PermutedRows& permuted, Fn&& fn) {
  i64 index = 0;
  for (i64 e = 0; e + 1 < permuted.offsets.dim(0); ++e) {
    const i64 begin = permuted.offsets(e), count = permuted.offsets(e + 1) - begin;
    if (count == 0) continue;
    fn(ActiveExpert{.expert = e,
                    .begin = begin,
                    .count = count,
                    .tokens = {permuted.tokens.data() + begin, static_cast<size_t>(count)}},
       index++);
  }
}

inline i64 num_active(const ops::PermutedRows& permuted) {
  i64 count = 0;
  for_active_experts(permuted, [&](const ActiveExpert&, i64) { ++count; });
  return count;
}

/// One operand an active expert: source(active) says of which numbers.
template <typename Source>
View<const ops::PackedMatrix, 1> pack_experts(const TrainStep& step, Workspace::Scope& scope,
                                              const ops::PermutedRows& permuted,
                                              const ops::GemmRounding& rounding, Source&& source) {
  const auto sources = scope.alloc<ops::PackSource>(num_active(permuted));
  for_active_experts(permuted, [&](const ActiveExpert& a, i64 i) { sources(i) = source(a); });
  return pack_several(step, scope, sources, rounding);
}

/// One product an active expert and `matrices`; job(active, index among the active, which matrix).
template <typename Job>
void multiply_experts(const TrainStep& step, const ops::PermutedRows& permuted, i64 matrices,
                      Job&& job) {
  Workspace::Scope scratch(step.ctx.workspace());
  const i64 count = num_active(permuted) * matrices;
  const auto jobs = scratch.alloc<ops::GemmJob>(count);
  for_active_experts(permuted, [&](const ActiveExpert& a, i64 i) {
    for (i64 m = 0; m < matrices; ++m) jobs(i * matrices + m) = job(a, i, m);
  });
  ops::gemm(step.ctx, {jobs.data(), static_cast<size_t>(count)}, step.precision.accumulator());
}

/// The rows of `tokens` of x [tokens, hidden], gathered while they are packed.
inline ops::PackSource gathered(ops::PackSource x, std::span<const i32> tokens) {
  x.row_ids = tokens;
  return x;
}

}  // namespace fathom::model::training
