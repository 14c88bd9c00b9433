#pragma once
// The parts of linear_forward, for ops that run several products at once (ffn, experts): an input
// is prepared once, and all products share one parallel region. Internal to ops/.
#include <span>

#include "kernels/api/linear.h"
#include "ops/ctx.h"
#include "ops/linear.h"

namespace fathom::ops {

/// x in the form that the kernels multiply.
struct PreparedInput {
  const void* data = nullptr;  // [tokens, in] f32 or bf16
  i64 stride = 0;
  bool is_bf16 = false;
  const float* scale = nullptr;  // [tokens, ceil(in/128)] of kFp8 activations
  i64 scale_stride = 0;
  i64 tokens = 0;
  i64 in = 0;

  /// Rows [begin, begin + count).
  PreparedInput rows(i64 begin, i64 count) const;
};

/// Elements from one row of a prepared input to the next.
i64 prepared_stride(i64 in, bool is_bf16);

/// Rounds or quantises x as `activations` says for weights of `dtype`; scratch comes from `scope`.
/// With nothing to do the result points into x.
PreparedInput prepare_input(Ctx& ctx, Workspace::Scope& scope, View<const float, 2> x, DType dtype,
                            Activations activations);

/// One product y = x w^T.
struct LinearJob {
  PreparedInput x;
  MatRef w;
  View<float, 2> y;
};

/// Runs all jobs; no y may overlap another job's x, w or y. Checks shapes.
void run_linear_jobs(Ctx& ctx, std::span<const LinearJob> jobs);

}  // namespace fathom::ops
