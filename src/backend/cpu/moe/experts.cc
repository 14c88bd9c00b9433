#include <algorithm>

#include "backend/cpu/moe/expert_layer.h"
#include "backend/cpu/table.h"
#include "backend/cpu/threads.h"
#include "kernels/cpu/isa/isa_table.h"
#include "kernels/cpu/moe/moe_table.h"

namespace fathom::backend::cpu {
namespace {

/// Tokens grouped at once: bounds the scratch (topk rows of hidden + 2 * intermediate numbers
/// each).
constexpr i64 kChunkTokens = 1024;

void run_chunk(Ctx& ctx, const device::MoeExpertsForward& op, i64 begin, i64 tokens) {
  const i64 topk = op.topk_indices.dim(1);
  const auto topk_indices = op.topk_indices.slice(0, begin, tokens);
  const auto topk_weights = op.topk_weights.slice(0, begin, tokens);
  Workspace::Scope scope(ctx.workspace());
  const device::PermutedRows rows =
      alloc_permuted_rows(scope, tokens, topk, std::ssize(op.experts));
  fill_permuted_rows(topk_indices, rows);
  const auto sorted = scope.alloc<i32>(tokens, topk);
  const auto sorted_weights = scope.alloc<float>(tokens, topk);
  for (i64 t = 0; t < tokens; ++t) {
    sort_by_expert(rows, topk_indices, topk_weights, t, sorted.row(t), sorted_weights.row(t));
  }
  const ExpertLayer layer{.x = op.x.slice(0, begin, tokens),
                          .token = rows.tokens,
                          .begin = rows.offsets,
                          .experts = op.experts,
                          .shared = op.shared,
                          .mode = op.mode,
                          .sorted = sorted,
                          .sorted_weights = sorted_weights};
  const auto run_experts = suits_expert_parallel(layer) ? run_expert_parallel : run_row_parallel;
  run_experts(ctx, layer, op.y.slice(0, begin, tokens));
}

void moe_experts_forward(Ctx& ctx, const device::MoeExpertsForward& op) {
  const i64 tokens = op.x.dim(0);
  for (i64 begin = 0; begin < tokens; begin += kChunkTokens) {
    run_chunk(ctx, op, begin, std::min(kChunkTokens, tokens - begin));
  }
}

}  // namespace

void combine_rows(Ctx& ctx, const ExpertLayer& layer, View<const float, 2> rows, i64 begin, i64 end,
                  View<float, 2> y) {
  const kernels::CombineRowsArgs args{.x = rows.data(),
                                      .x_stride = rows.stride(0),
                                      .rows = layer.sorted.data(),
                                      .weights = layer.sorted_weights.data(),
                                      .row_begin = begin,
                                      .row_end = end,
                                      .accumulate = begin > 0,
                                      .y = y.data(),
                                      .y_stride = y.stride(0),
                                      .topk = layer.sorted.dim(1),
                                      .dim = y.dim(1)};
  for_rows(y.dim(0), args.topk * args.dim,
           [&](i64 from, i64 to) { ctx.isa().moe->combine_rows(args, from, to); });
}

void set_experts(device::OpTable& table) { table.set(moe_experts_forward); }

}  // namespace fathom::backend::cpu
