#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/isa_table.h"
#include "ops/checks.h"
#include "ops/elementwise.h"
#include "ops/linear_batch.h"
#include "ops/moe.h"

namespace fathom::ops {
namespace {

/// Tokens grouped at once: bounds the scratch (topk rows of hidden + 2 * intermediate numbers
/// each).
constexpr i64 kChunkTokens = 512;

/// gate_proj and up_proj of one expert read the same prepared input.
void check_expert(const FfnWeights& w, const FfnWeights& first) {
  FATHOM_CHECK(w.gate_proj.dtype == w.up_proj.dtype, "gate_proj ", w.gate_proj, " vs up_proj ",
               w.up_proj);
  FATHOM_CHECK(
      w.gate_proj.dtype == first.gate_proj.dtype && w.gate_proj.rows == first.gate_proj.rows &&
          w.down_proj.dtype == first.down_proj.dtype,
      "experts of one layer must have one shape and one stored type: gate_proj ", w.gate_proj,
      " vs ", first.gate_proj, ", down_proj ", w.down_proj, " vs ", first.down_proj);
}

/// Which rows, grouped by expert, belong to which token.
struct Grouping {
  View<i64, 1> expert_begin;  // [experts + 1]  first row of each expert
  View<i32, 1> token;         // [rows]         the row's token
  View<i32, 2> row;           // [tokens, topk] rows of a token, in order of rising expert
  View<float, 2> weight;      // [tokens, topk] their weights
};

Grouping group_by_expert(Workspace::Scope& scope, i64 experts, View<const i32, 2> topk_indices,
                         View<const float, 2> topk_weights) {
  const i64 tokens = topk_indices.dim(0), topk = topk_indices.dim(1);
  Grouping g{scope.alloc<i64>(experts + 1), scope.alloc<i32>(tokens * topk),
             scope.alloc<i32>(tokens, topk), scope.alloc<float>(tokens, topk)};
  std::fill_n(g.expert_begin.data(), experts + 1, i64{0});
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const i64 expert = topk_indices(t, j);
      FATHOM_CHECK(expert >= 0 && expert < experts, "expert ", expert, " of token ", t, ", of ",
                   experts);
      ++g.expert_begin(expert + 1);
    }
  }
  for (i64 e = 0; e < experts; ++e) g.expert_begin(e + 1) += g.expert_begin(e);

  // A row's number rises with its expert, so sorting a token's rows sorts its experts.
  const auto next = scope.alloc<i64>(experts);
  std::copy_n(g.expert_begin.data(), experts, next.data());
  for (i64 t = 0; t < tokens; ++t) {
    for (i64 j = 0; j < topk; ++j) {
      const i32 row = static_cast<i32>(next(topk_indices(t, j))++);
      g.token(row) = static_cast<i32>(t);
      i64 at = j;
      for (; at > 0 && g.row(t, at - 1) > row; --at) {
        g.row(t, at) = g.row(t, at - 1);
        g.weight(t, at) = g.weight(t, at - 1);
      }
      g.row(t, at) = row;
      g.weight(t, at) = topk_weights(t, j);
    }
  }
  return g;
}

/// Rows of x in the order of the grouping.
PreparedInput gather_rows(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                          View<const i32, 1> token) {
  PreparedInput rows = x;
  const i64 element_bytes = x.is_bf16 ? 2 : 4;
  rows.tokens = token.dim(0);
  rows.stride = prepared_stride(x.in, x.is_bf16);
  u8* data = scope.alloc<u8>(rows.tokens * rows.stride * element_bytes).data();
  rows.data = data;
  float* scale = nullptr;
  if (x.scale != nullptr) {
    scale = scope.alloc<float>(rows.tokens, x.scale_stride).data();
    rows.scale = scale;
  }
  ctx.for_rows(rows.tokens, x.in / 4, [&](i64 begin, i64 end) {
    for (i64 r = begin; r < end; ++r) {
      std::memcpy(data + r * rows.stride * element_bytes,
                  static_cast<const u8*>(x.data) + token(r) * x.stride * element_bytes,
                  static_cast<size_t>(x.in * element_bytes));
      if (scale == nullptr) continue;
      std::copy_n(x.scale + token(r) * x.scale_stride, x.scale_stride, scale + r * x.scale_stride);
    }
  });
  return rows;
}

/// down(silu(gate x) * up x) for the rows of each expert.
View<float, 2> run_experts(Ctx& ctx, Workspace::Scope& scope, const PreparedInput& x,
                           std::span<const FfnWeights> experts, View<const i64, 1> expert_begin,
                           Activations activations) {
  const i64 intermediate = experts[0].gate_proj.rows, hidden = experts[0].down_proj.rows;
  const auto gate = scope.alloc<float>(x.tokens, intermediate);
  const auto up = scope.alloc<float>(x.tokens, intermediate);
  const auto out = scope.alloc<float>(x.tokens, hidden);
  LinearJob* jobs = scope.alloc<LinearJob>(2 * std::ssize(experts)).data();
  size_t count = 0;
  const auto for_used = [&](auto&& fn) {
    for (size_t e = 0; e < experts.size(); ++e) {
      const i64 first = expert_begin(static_cast<i64>(e));
      const i64 rows = expert_begin(static_cast<i64>(e) + 1) - first;
      if (rows > 0) fn(experts[e], first, rows);
    }
  };

  for_used([&](const FfnWeights& w, i64 first, i64 rows) {
    jobs[count++] = {x.rows(first, rows), w.gate_proj, gate.slice(0, first, rows)};
    jobs[count++] = {x.rows(first, rows), w.up_proj, up.slice(0, first, rows)};
  });
  run_linear_jobs(ctx, {jobs, count});
  silu_mul_forward(ctx, gate, up, gate);

  const PreparedInput h = prepare_input(ctx, scope, gate, experts[0].down_proj.dtype, activations);
  count = 0;
  for_used([&](const FfnWeights& w, i64 first, i64 rows) {
    jobs[count++] = {h.rows(first, rows), w.down_proj, out.slice(0, first, rows)};
  });
  run_linear_jobs(ctx, {jobs, count});
  return out;
}

void combine(Ctx& ctx, const Grouping& g, View<const float, 2> rows, View<float, 2> y) {
  const kernels::CombineRowsArgs args{.x = rows.data(),
                                      .x_stride = rows.stride(0),
                                      .rows = g.row.data(),
                                      .weights = g.weight.data(),
                                      .y = y.data(),
                                      .y_stride = y.stride(0),
                                      .topk = g.row.dim(1),
                                      .dim = y.dim(1)};
  ctx.for_rows(y.dim(0), args.topk * args.dim,
               [&](i64 begin, i64 end) { ctx.isa().combine_rows(args, begin, end); });
}

}  // namespace

void ffn_forward(Ctx& ctx, View<const float, 2> x, const FfnWeights& w, View<float, 2> y,
                 Activations activations) {
  require_cpu(ctx, "ffn_forward");
  check_expert(w, w);
  Workspace::Scope scope(ctx.workspace());
  const PreparedInput input = prepare_input(ctx, scope, x, w.gate_proj.dtype, activations);
  const auto gate = scope.alloc<float>(x.dim(0), w.gate_proj.rows);
  const auto up = scope.alloc<float>(x.dim(0), w.up_proj.rows);
  const std::array<LinearJob, 2> jobs = {{{input, w.gate_proj, gate}, {input, w.up_proj, up}}};
  run_linear_jobs(ctx, jobs);
  silu_mul_forward(ctx, gate, up, gate);
  linear_forward(ctx, gate, w.down_proj, y, activations);
}

void moe_experts_forward(Ctx& ctx, View<const float, 2> x, std::span<const FfnWeights> experts,
                         View<const i32, 2> topk_indices, View<const float, 2> topk_weights,
                         View<float, 2> y, Activations activations) {
  require_cpu(ctx, "moe_experts_forward");
  const i64 tokens = x.dim(0);
  FATHOM_CHECK(topk_indices.dims() == topk_weights.dims() && topk_indices.dim(0) == tokens,
               "topk_indices ", topk_indices, " and topk_weights ", topk_weights, " vs x ", x);
  FATHOM_CHECK(y.dims() == x.dims(), "y ", y, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  FATHOM_CHECK(!experts.empty(), "a layer without experts");
  for (const FfnWeights& expert : experts) check_expert(expert, experts[0]);

  for (i64 begin = 0; begin < tokens; begin += kChunkTokens) {
    const i64 count = std::min(kChunkTokens, tokens - begin);
    Workspace::Scope scope(ctx.workspace());
    const Grouping grouping =
        group_by_expert(scope, std::ssize(experts), topk_indices.slice(0, begin, count),
                        topk_weights.slice(0, begin, count));
    const PreparedInput input = prepare_input(ctx, scope, x.slice(0, begin, count),
                                              experts[0].gate_proj.dtype, activations);
    const PreparedInput rows = gather_rows(ctx, scope, input, grouping.token);
    const auto out = run_experts(ctx, scope, rows, experts, grouping.expert_begin, activations);
    combine(ctx, grouping, out, y.slice(0, begin, count));
  }
}

}  // namespace fathom::ops
