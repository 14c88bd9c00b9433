#include <algorithm>
#include <array>

#include "base/checked_math.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"
#include "ops/checks.h"
#include "ops/elementwise.h"
#include "ops/linear_batch.h"
#include "ops/moe.h"

namespace fathom::ops {
namespace {

/// Tokens grouped at once: bounds the scratch (topk rows of hidden + 2 * intermediate numbers
/// each).
constexpr i64 kChunkTokens = 1024;

/// gate_proj and up_proj of one expert read the same prepared input.
void check_expert(const FfnWeights& w, const FfnWeights& first) {
  FATHOM_CHECK(w.gate_proj.same_type(w.up_proj), "gate_proj ", w.gate_proj, " vs up_proj ",
               w.up_proj);
  FATHOM_CHECK(w.gate_proj.same_type(first.gate_proj) && w.gate_proj.rows == first.gate_proj.rows &&
                   w.down_proj.same_type(first.down_proj),
               "experts of one layer must have one shape and one stored type: gate_proj ",
               w.gate_proj, " vs ", first.gate_proj, ", down_proj ", w.down_proj, " vs ",
               first.down_proj);
}

/// y = down(silu(gate x) * up x); all threads share each product.
void run_ffn(Ctx& ctx, const PreparedInput& x, const FfnWeights& w, View<float, 2> y,
             LinearMode mode) {
  Workspace::Scope scope(ctx.workspace());
  const LinearJob down{gated_input(ctx, scope, x, w.gate_proj, w.up_proj, w.down_proj, mode),
                       w.down_proj, y};
  run_linear_jobs(ctx, {&down, 1});
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

/// What the experts make of their rows, and the shared one of all tokens.
struct ExpertOutputs {
  View<float, 2> routed;  // [rows, hidden]
  View<float, 2> shared;  // [tokens, hidden], or empty
};

/// One feed-forward layer: experts with their rows grouped, and the shared one of all tokens.
struct ExpertLayer {
  View<const float, 2> x;    // [tokens, hidden]
  View<const i32, 1> token;  // [rows] the token of each grouped row
  View<const i64, 1> begin;  // [experts + 1]
  std::span<const FfnWeights> experts;
  const FfnWeights* shared;

  /// fn(expert, first row, rows) for every expert that has any.
  template <typename Fn>
  void for_used(Fn&& fn) const {
    for (size_t e = 0; e < experts.size(); ++e) {
      const i64 first = begin(static_cast<i64>(e)), count = begin(static_cast<i64>(e) + 1) - first;
      if (count > 0) fn(e, first, count);
    }
  }
};

/// What stands between the two products: silu(gate x) * up x.
struct HiddenRows {
  View<float, 2> routed;  // [rows, width]
  View<float, 2> shared;  // [tokens, shared width], or empty
};

/// All gates and ups are one parallel region. What only they need goes back to the workspace.
void run_gates(Ctx& ctx, const ExpertLayer& layer, LinearMode mode, const HiddenRows& hidden) {
  Workspace::Scope scope(ctx.workspace());
  const FfnWeights& like = layer.experts[0];
  const auto up = scope.alloc<float>(hidden.routed.dim(0), hidden.routed.dim(1));
  const auto shared_up = scope.alloc<float>(hidden.shared.dim(0), hidden.shared.dim(1));
  LinearJob* jobs = scope.alloc<LinearJob>(2 * std::ssize(layer.experts) + 2).data();
  size_t count = 0;
  const auto inputs =
      prepare_groups(ctx, scope, layer.x, layer.token, layer.begin, like.gate_proj, mode);
  layer.for_used([&](size_t e, i64 first, i64 n) {
    jobs[count++] = {inputs[e], layer.experts[e].gate_proj, hidden.routed.slice(0, first, n)};
    jobs[count++] = {inputs[e], layer.experts[e].up_proj, up.slice(0, first, n)};
  });
  if (layer.shared != nullptr) {
    const PreparedInput all = prepare_input(ctx, scope, layer.x, layer.shared->gate_proj, mode);
    jobs[count++] = {all, layer.shared->gate_proj, hidden.shared};
    jobs[count++] = {all, layer.shared->up_proj, shared_up};
  }
  run_linear_jobs(ctx, {jobs, count});
  silu_mul_forward(ctx, hidden.routed, up, hidden.routed);
  if (layer.shared != nullptr) silu_mul_forward(ctx, hidden.shared, shared_up, hidden.shared);
}

/// down(silu(gate x) * up x) for the rows of each expert; all downs are one parallel region.
ExpertOutputs run_experts(Ctx& ctx, Workspace::Scope& scope, const ExpertLayer& layer,
                          LinearMode mode) {
  const FfnWeights& like = layer.experts[0];
  const i64 rows = layer.token.dim(0), tokens = layer.x.dim(0), hidden_size = like.down_proj.rows;
  const i64 shared_width = layer.shared != nullptr ? layer.shared->gate_proj.rows : 0;
  const HiddenRows hidden{scope.alloc<float>(rows, like.gate_proj.rows),
                          scope.alloc<float>(tokens, shared_width)};
  run_gates(ctx, layer, mode, hidden);

  ExpertOutputs out{.routed = scope.alloc<float>(rows, hidden_size), .shared = {}};
  LinearJob* jobs = scope.alloc<LinearJob>(std::ssize(layer.experts) + 1).data();
  size_t count = 0;
  const auto h = prepare_groups(ctx, scope, hidden.routed, {}, layer.begin, like.down_proj, mode);
  layer.for_used([&](size_t e, i64 first, i64 n) {
    jobs[count++] = {h[e], layer.experts[e].down_proj, out.routed.slice(0, first, n)};
  });
  if (layer.shared != nullptr) {
    out.shared = scope.alloc<float>(tokens, hidden_size);
    jobs[count++] = {prepare_input(ctx, scope, hidden.shared, layer.shared->down_proj, mode),
                     layer.shared->down_proj, out.shared};
  }
  run_linear_jobs(ctx, {jobs, count});
  return out;
}

/// Some rows of an expert, which one thread takes from x to y: what lies between stays in its
/// caches.
struct ExpertUnit {
  size_t expert;
  i64 first, rows;
};
/// Rows of a unit at most: the expert's weights are read once for them. Splitting changes no row.
constexpr i64 kUnitRows = 192;
/// Outputs of experts that wait to be added, and gates with ups of one feed-forward, at most: rows
/// are taken in parts, so that a long prompt's scratch stays small beside any model.
constexpr i64 kOutputBytes = i64{32} << 20, kHiddenBytes = i64{32} << 20;
/// Units for each thread from which all threads end at about the same time.
constexpr i64 kUnitsPerThread = 4;

/// y[t] = the weighted sum of the token's rows; or of those in [begin, end), added to the sum over
/// the rows before.
void combine(Ctx& ctx, const Grouping& g, View<const float, 2> rows, i64 begin, i64 end,
             View<float, 2> y) {
  const kernels::CombineRowsArgs args{.x = rows.data(),
                                      .x_stride = rows.stride(0),
                                      .rows = g.row.data(),
                                      .weights = g.weight.data(),
                                      .row_begin = begin,
                                      .row_end = end,
                                      .accumulate = begin > 0,
                                      .y = y.data(),
                                      .y_stride = y.stride(0),
                                      .topk = g.row.dim(1),
                                      .dim = y.dim(1)};
  ctx.for_rows(y.dim(0), args.topk * args.dim,
               [&](i64 from, i64 to) { ctx.isa().moe->combine_rows(args, from, to); });
}

/// Experts from `expert` on until their rows would be more than `most`; one at least.
size_t experts_within(const ExpertLayer& layer, size_t expert, i64 most) {
  size_t end = expert + 1;
  const i64 first = layer.begin(static_cast<i64>(expert));
  while (end < layer.experts.size() && layer.begin(static_cast<i64>(end) + 1) - first <= most)
    ++end;
  return end;
}

/// The units of experts [begin, end), large ones first.
std::span<const ExpertUnit> expert_units(Workspace::Scope& scope, const ExpertLayer& layer,
                                         size_t begin, size_t end) {
  i64 most = 0, count = 0;
  const auto for_used = [&](auto&& fn) {
    for (size_t e = begin; e < end; ++e) {
      const i64 first = layer.begin(static_cast<i64>(e)),
                last = layer.begin(static_cast<i64>(e) + 1);
      for (i64 row = first; row < last; row += kUnitRows)
        fn(e, row, std::min(kUnitRows, last - row));
    }
  };
  for_used([&](size_t, i64, i64) { ++most; });
  ExpertUnit* units = scope.alloc<ExpertUnit>(most).data();
  for_used([&](size_t e, i64 first, i64 rows) { units[count++] = {e, first, rows}; });
  std::sort(units, units + count, [](const ExpertUnit& a, const ExpertUnit& b) {
    return a.rows != b.rows ? a.rows > b.rows : a.first < b.first;
  });
  return {units, static_cast<size_t>(count)};
}

void run_unit(Ctx& ctx, const ExpertLayer& layer, const ExpertUnit& unit, LinearMode mode,
              View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  const FfnWeights& w = layer.experts[unit.expert];
  const std::array<i64, 2> rows = {unit.first, unit.first + unit.rows};
  const PreparedInput x =
      prepare_groups(ctx, scope, layer.x, layer.token, {rows.data(), {2}}, w.gate_proj, mode)
          .front();
  run_ffn(ctx, x, w, y, mode);
}

/// Are there enough experts with rows that threads take whole ones?
bool side_by_side(const ExpertLayer& layer, LinearMode mode) {
  i64 used = 0;
  layer.for_used([&](size_t, i64, i64) { ++used; });
  return mode.many_rows && used >= kUnitsPerThread * available_threads();
}

/// Experts side by side, as many as leave room for their outputs, then their share of the sums.
void run_side_by_side(Ctx& ctx, const ExpertLayer& layer, const Grouping& grouping, LinearMode mode,
                      View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  View<float, 2> shared;
  if (layer.shared != nullptr) {  // first: its scratch is larger than theirs
    shared = scope.alloc<float>(y.dim(0), y.dim(1));
    ffn_forward(ctx, layer.x, *layer.shared, shared, mode);
  }
  const i64 most_rows = kOutputBytes / (y.dim(1) * static_cast<i64>(sizeof(float)));
  for (size_t begin = 0, end; begin < layer.experts.size(); begin = end) {
    end = experts_within(layer, begin, most_rows);
    const i64 first = layer.begin(static_cast<i64>(begin)),
              last = layer.begin(static_cast<i64>(end));
    Workspace::Scope outputs(ctx.workspace());
    const auto routed = outputs.alloc<float>(last - first, y.dim(1));
    const auto units = expert_units(outputs, layer, begin, end);
    ctx.for_units(std::ssize(units), [&](Ctx& worker, i64 i) {
      const ExpertUnit& unit = units[static_cast<size_t>(i)];
      run_unit(worker, layer, unit, mode, routed.slice(0, unit.first - first, unit.rows));
    });
    combine(ctx, grouping, routed, first, last, y);
  }
  if (layer.shared != nullptr) add_inplace(ctx, y, shared);
}

/// All threads share each expert's products.
void run_together(Ctx& ctx, const ExpertLayer& layer, const Grouping& grouping, LinearMode mode,
                  View<float, 2> y) {
  Workspace::Scope scope(ctx.workspace());
  const ExpertOutputs out = run_experts(ctx, scope, layer, mode);
  combine(ctx, grouping, out.routed, 0, out.routed.dim(0), y);
  if (layer.shared != nullptr) add_inplace(ctx, y, out.shared);
}

}  // namespace

void ffn_forward(Ctx& ctx, View<const float, 2> x, const FfnWeights& w, View<float, 2> y,
                 LinearMode mode) {
  require_cpu(ctx, "ffn_forward");
  check_expert(w, w);
  const i64 token_bytes = 2 * w.gate_proj.rows * static_cast<i64>(sizeof(float));
  const i64 parts = std::max<i64>(1, ceil_div(x.dim(0) * token_bytes, kHiddenBytes));
  const i64 part = round_up(ceil_div(x.dim(0), parts), kernels::kPanelTokens);
  for (i64 begin = 0; begin < x.dim(0); begin += part) {
    const i64 count = std::min(part, x.dim(0) - begin);
    Workspace::Scope scope(ctx.workspace());
    const PreparedInput input =
        prepare_input(ctx, scope, x.slice(0, begin, count), w.gate_proj, mode);
    run_ffn(ctx, input, w, y.slice(0, begin, count), mode);
  }
}

void moe_experts_forward(Ctx& ctx, View<const float, 2> x, std::span<const FfnWeights> experts,
                         View<const i32, 2> topk_indices, View<const float, 2> topk_weights,
                         View<float, 2> y, LinearMode mode, const FfnWeights* shared) {
  require_cpu(ctx, "moe_experts_forward");
  const i64 tokens = x.dim(0);
  FATHOM_CHECK(topk_indices.dims() == topk_weights.dims() && topk_indices.dim(0) == tokens,
               "topk_indices ", topk_indices, " and topk_weights ", topk_weights, " vs x ", x);
  FATHOM_CHECK(y.dims() == x.dims(), "y ", y, " vs x ", x);
  FATHOM_CHECK(last_axis_contiguous(y), "rows of y ", y, " must be contiguous");
  FATHOM_CHECK(!experts.empty(), "a layer without experts");
  for (const FfnWeights& expert : experts) check_expert(expert, experts[0]);
  if (shared != nullptr) check_expert(*shared, *shared);

  for (i64 begin = 0; begin < tokens; begin += kChunkTokens) {
    const i64 count = std::min(kChunkTokens, tokens - begin);
    Workspace::Scope scope(ctx.workspace());
    const Grouping grouping =
        group_by_expert(scope, std::ssize(experts), topk_indices.slice(0, begin, count),
                        topk_weights.slice(0, begin, count));
    const ExpertLayer layer{.x = x.slice(0, begin, count),
                            .token = grouping.token,
                            .begin = grouping.expert_begin,
                            .experts = experts,
                            .shared = shared};
    const auto run = side_by_side(layer, mode) ? run_side_by_side : run_together;
    run(ctx, layer, grouping, mode, y.slice(0, begin, count));
  }
}

}  // namespace fathom::ops
