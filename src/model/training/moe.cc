#include "model/training/moe.h"

#include "model/moe.h"
#include "model/training/token_dropping.h"
#include "ops/elementwise/elementwise.h"
#include "ops/rows.h"
#include "ops/elementwise/weighted_silu.h"

namespace fathom::model::training {
namespace {

/// The first tokens of storage that may be larger.
ops::PermutedRows rows_of_step(const TrainStep& step, const ops::PermutedRows& rows) {
  const i64 tokens = step.tokens(), topk = rows.row_of.dim(1);
  return {.offsets = rows.offsets,
          .tokens = rows.tokens.slice(0, 0, tokens * topk),
          .slots = rows.slots.slice(0, 0, tokens * topk),
          .row_of = rows.row_of.slice(0, 0, tokens)};
}

i64 num_places(const ops::PermutedRows& rows) { return rows.offsets(rows.offsets.dim(0) - 1); }

/// What an expert of at least one token does: its places, and whose tokens they are.
struct ActiveExpert {
  i64 expert, begin, count;
  std::span<const i32> tokens;
};

/// fn(ActiveExpert, index among the active).
template <typename Fn>
void for_active_experts(const ops::PermutedRows& rows, Fn&& fn) {
  i64 index = 0;
  for (i64 e = 0; e + 1 < rows.offsets.dim(0); ++e) {
    const i64 begin = rows.offsets(e), count = rows.offsets(e + 1) - begin;
    if (count == 0) continue;
    fn(ActiveExpert{.expert = e,
                    .begin = begin,
                    .count = count,
                    .tokens = {rows.tokens.data() + begin, static_cast<size_t>(count)}},
       index++);
  }
}

i64 num_active(const ops::PermutedRows& rows) {
  i64 count = 0;
  for_active_experts(rows, [&](const ActiveExpert&, i64) { ++count; });
  return count;
}

/// One operand an active expert, `source` says of which.
template <typename Source>
View<const ops::PackedMatrix, 1> pack_experts(const TrainStep& step, Workspace::Scope& scope,
                                              const ops::PermutedRows& rows,
                                              const ops::GemmRounding& rounding, Source&& source) {
  const auto sources = scope.alloc<ops::PackSource>(num_active(rows));
  for_active_experts(rows, [&](const ActiveExpert& a, i64 i) { sources(i) = source(a); });
  return pack_several(step, scope, sources, rounding);
}

/// One product an active expert and `matrices`, all in one call; job(active, index, which).
template <typename Job>
void multiply_experts(const TrainStep& step, const ops::PermutedRows& rows, i64 matrices,
                      Job&& job) {
  Workspace::Scope scratch(step.ctx.workspace());
  const i64 count = num_active(rows) * matrices;
  const auto jobs = scratch.alloc<ops::GemmJob>(count);
  for_active_experts(rows, [&](const ActiveExpert& a, i64 i) {
    for (i64 m = 0; m < matrices; ++m) jobs(i * matrices + m) = job(a, i, m);
  });
  ops::gemm(step.ctx, {jobs.data(), static_cast<size_t>(count)}, step.precision.accumulator());
}

/// Chosen rows of x [tokens, hidden], gathered while they are packed.
ops::PackSource gathered(ops::PackSource x, std::span<const i32> tokens) {
  x.row_ids = tokens;
  return x;
}

/// Logits, scores, the choice, what capacity leaves of it, and the places. Eqs (13)-(16).
void route(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> x,
           const MoeSaved& saved) {
  Ctx& ctx = step.ctx;
  const i64 tokens = step.tokens();
  const auto scores = saved.scores.slice(0, 0, tokens);
  const auto chosen = saved.chosen.slice(0, 0, tokens), kept = saved.kept.slice(0, 0, tokens);
  const auto weights = saved.weights.slice(0, 0, tokens);
  const ops::RouterOptions options = router_options(step.config);
  linear_training_forward(step, x, *w.gate, scores);  // logits
  ops::moe_route(ctx, scores, w.e_score_correction_bias, options, chosen, weights);
  ops::router_scores(ctx, scores, options.scoring_func, scores);
  i64 dropped = 0;
  if (step.drop_tokens) {
    dropped = drop_tokens(step, scores, chosen, kept);
  } else if (kept.data() != chosen.data()) {
    ops::copy_ids(ctx, chosen, kept);
  }
  const ops::PermutedRows rows = rows_of_step(step, saved.rows);
  ops::group_by_expert(ctx, kept, rows);
  ops::permute_weights(ctx, weights, rows, saved.place_weights.slice(0, 0, num_places(rows)));
  if (step.stats != nullptr) {
    auto& counts = step.stats->expert_counts[static_cast<size_t>(w.moe_layer)];
    ops::count_experts(ctx, chosen, {counts.data(), {std::ssize(counts)}});
    step.stats->router_entropy[static_cast<size_t>(w.moe_layer)] +=
        ops::router_entropy(ctx, scores);
    step.stats->dropped += dropped;
  }
  if (!step.raw_counts.empty()) {
    ops::count_raw_topk(ctx, scores, chosen.dim(1), step.raw_counts[w.moe_layer]);
  }
}

/// y = sum of the routed experts, overwritten.
void forward_experts(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> x,
                     View<float, 2> y, const MoeSaved& saved) {
  Ctx& ctx = step.ctx;
  const ops::PermutedRows rows = rows_of_step(step, saved.rows);
  const i64 places = num_places(rows), width = step.config.moe_intermediate_size;
  const LinearRounding& rounding = w.experts.front().gate_proj->rounding;
  Workspace::Scope scratch(ctx.workspace());
  const auto gate = scratch.alloc<float>(places, width), up = scratch.alloc<float>(places, width);
  {
    Workspace::Scope input(ctx.workspace());
    const auto packed_x = pack_experts(
        step, input, rows, rounding.activation,
        [&](const ActiveExpert& a) { return gathered(ops::PackSource(x).as_left(), a.tokens); });
    multiply_experts(step, rows, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
      const TrainingFfnWeights& expert = w.experts[static_cast<size_t>(a.expert)];
      return ops::GemmJob{.a = packed_x(i),
                          .b = m == 0 ? expert.gate_proj->fprop : expert.up_proj->fprop,
                          .c = (m == 0 ? gate : up).slice(0, a.begin, a.count)};
    });
  }
  save(step, gate, saved.experts.gate);
  save(step, up, saved.experts.up);
  ops::weighted_silu_mul_forward(ctx, gate, up, saved.place_weights.slice(0, 0, places), gate);
  save(step, gate, saved.experts.activation);
  const auto out = scratch.alloc<float>(places, y.dim(1));
  const auto packed =
      pack_experts(step, scratch, rows, rounding.activation, [&](const ActiveExpert& a) {
        return ops::PackSource(gate.slice(0, a.begin, a.count)).as_left();
      });
  multiply_experts(step, rows, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed(i),
                        .b = w.experts[static_cast<size_t>(a.expert)].down_proj->fprop,
                        .c = out.slice(0, a.begin, a.count)};
  });
  ops::combine_rows(ctx, out, rows, saved.kept.slice(0, 0, step.tokens()), {},
                    /*accumulate=*/false, y);
}

/// dgate, dup and the gradients of the places' weights, from dy gathered.
void backward_swiglu(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> dy,
                     const MoeSaved& saved, const ops::PermutedRows& rows, const FfnBackward& b,
                     View<float, 1> dplace_weights) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const auto dactivation = scratch.alloc<float>(b.dgate.dim(0), b.dgate.dim(1));
  const auto packed_dy = pack_experts(
      step, scratch, rows, w.experts.front().down_proj->rounding.gradient,
      [&](const ActiveExpert& a) { return gathered(ops::PackSource(dy).as_left(), a.tokens); });
  multiply_experts(step, rows, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed_dy(i),
                        .b = w.experts[static_cast<size_t>(a.expert)].down_proj->dgrad,
                        .c = dactivation.slice(0, a.begin, a.count)};
  });
  load(step, saved.experts.gate, b.dgate);
  load(step, saved.experts.up, b.dup);
  ops::weighted_silu_mul_backward(
      ctx, dactivation, b.dgate, b.dup, saved.place_weights.slice(0, 0, b.dgate.dim(0)), b.dgate,
      b.dup, dplace_weights, saved.experts.activation.empty() ? b.activation : View<float, 2>{});
}

/// dx = sum over a token's places of dgate W_gate + dup W_up, overwritten.
void backward_gate_up(const TrainStep& step, const TrainingMoeWeights& w, const MoeSaved& saved,
                      const ops::PermutedRows& rows, const FfnBackward& b, View<float, 2> dx) {
  Workspace::Scope scratch(step.ctx.workspace());
  const auto dplaces = scratch.alloc<float>(b.dgate.dim(0), dx.dim(1));
  for (const bool gate : {true, false}) {
    Workspace::Scope operands(step.ctx.workspace());
    const auto packed = pack_experts(
        step, operands, rows, w.experts.front().gate_proj->rounding.gradient,
        [&](const ActiveExpert& a) {
          return ops::PackSource((gate ? b.dgate : b.dup).slice(0, a.begin, a.count)).as_left();
        });
    multiply_experts(step, rows, 1, [&](const ActiveExpert& a, i64 i, i64) {
      const TrainingFfnWeights& expert = w.experts[static_cast<size_t>(a.expert)];
      return ops::GemmJob{.a = packed(i),
                          .b = gate ? expert.gate_proj->dgrad : expert.up_proj->dgrad,
                          .c = dplaces.slice(0, a.begin, a.count),
                          .accumulate = !gate};
    });
  }
  ops::combine_rows(step.ctx, dplaces, rows, saved.kept.slice(0, 0, step.tokens()), {},
                    /*accumulate=*/false, dx);
}

/// dlogits, and dx += dlogits W_gate.
void backward_router(const TrainStep& step, const TrainingMoeWeights& w, const MoeSaved& saved,
                     View<const float, 2> dweights, View<const float, 2> dnormalised,
                     View<float, 2> dlogits, View<float, 2> dx) {
  const ops::RouterOptions options = router_options(step.config);
  for (i64 sequence = 0; sequence < step.sequences; ++sequence) {
    const i64 first = sequence * step.seq_len;
    const auto of_sequence = [&](auto view) { return view.slice(0, first, step.seq_len); };
    ops::router_backward(step.ctx, of_sequence(saved.scores), of_sequence(saved.chosen),
                         of_sequence(dweights), options,
                         dnormalised.empty() ? View<const float, 1>{} : dnormalised[sequence],
                         of_sequence(dlogits));
  }
  linear_backward_input(step, dlogits, *w.gate, dx, Into::kAccumulate);
}

}  // namespace

MoeSaved plan_moe(const ModelConfig& config, const TrainingRecipe& recipe,
                  const Precision& precision, i64 tokens, StoragePlan& plan) {
  const i64 experts = config.n_routed_experts, topk = config.num_experts_per_tok;
  const i64 width = config.moe_intermediate_size, places = tokens * topk;
  MoeSaved saved;
  saved.scores = plan.array<float>("router scores", tokens, experts);
  saved.chosen = plan.array<i32>("routing", tokens, topk);
  saved.kept = recipe.balance.capacity_factor > 0.0 ? plan.array<i32>("routing", tokens, topk)
                                                    : saved.chosen;
  saved.weights = plan.array<float>("routing", tokens, topk);
  saved.rows = {.offsets = plan.array<i32>("routing", experts + 1),
                .tokens = plan.array<i32>("routing", places),
                .slots = plan.array<i32>("routing", places),
                .row_of = plan.array<i32>("routing", tokens, topk)};
  saved.place_weights = plan.array<float>("routing", places);
  saved.experts =
      plan_ffn(recipe.recompute, precision, precision.expert_hidden(), places, width, plan);
  if (config.n_shared_experts > 0) {
    saved.shared_experts = plan_ffn(recipe.recompute, precision, precision.expert_hidden(), tokens,
                                    config.n_shared_experts * width, plan);
  }
  return saved;
}

MoeBackward alloc_moe_backward(const TrainStep& step, const TrainingMoeWeights& w,
                               const MoeSaved& saved, Workspace::Scope& scope) {
  const i64 places = num_places(saved.rows), width = step.config.moe_intermediate_size;
  MoeBackward b;
  b.experts = {.dgate = scope.alloc<float>(places, width),
               .dup = scope.alloc<float>(places, width),
               .activation = scope.alloc<float>(places, width)};
  if (w.has_shared_experts) {
    b.shared_experts = alloc_ffn_backward(step, scope, w.shared_experts.gate_proj->out);
  }
  b.dlogits = scope.alloc<float>(step.tokens(), w.gate->out);
  return b;
}

void moe_training_forward(const TrainStep& step, const TrainingMoeWeights& w,
                          View<const float, 2> x, View<float, 2> y, const MoeSaved& saved) {
  route(step, w, x, saved);
  forward_experts(step, w, x, y, saved);
  if (w.has_shared_experts) {
    Workspace::Scope scratch(step.ctx.workspace());
    const auto shared = scratch.alloc<float>(x.dim(0), x.dim(1));
    ffn_training_forward(step, w.shared_experts, x, shared, saved.shared_experts);
    ops::add_inplace(step.ctx, y, shared);
  }
}

void moe_backward_input(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> dy,
                        const MoeSaved& saved, View<const float, 2> dnormalised,
                        const MoeBackward& b, View<float, 2> dx) {
  const i64 tokens = step.tokens();
  const ops::PermutedRows rows = rows_of_step(step, saved.rows);
  const i64 places = num_places(rows);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto dplace_weights = scratch.alloc<float>(places);
  const auto dweights = scratch.alloc<float>(tokens, saved.weights.dim(1));
  backward_swiglu(step, w, dy, saved, rows, b.experts, dplace_weights);
  backward_gate_up(step, w, saved, rows, b.experts, dx);
  if (w.has_shared_experts) {
    ffn_backward_input(step, w.shared_experts, dy, saved.shared_experts, b.shared_experts, dx,
                       Into::kAccumulate);
  }
  // A dropped pair's weight moved nothing. The choice keeps it, since it took part in the
  // normalisation of the others.
  ops::unpermute_weights(step.ctx, dplace_weights, rows, dweights);
  backward_router(step, w, saved, dweights, dnormalised, b.dlogits, dx);
}

void moe_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                         View<const float, 2> dy, const ops::PackSource& x, const MoeSaved& saved,
                         const MoeBackward& b, const MoeGrads& grads) {
  Ctx& ctx = step.ctx;
  const ops::PermutedRows rows = rows_of_step(step, saved.rows);
  const LinearRounding& rounding = w.experts.front().gate_proj->rounding;
  const auto grads_of = [&](const ActiveExpert& a) -> const FfnParameters<View<float, 2>>& {
    return grads.experts[static_cast<size_t>(a.expert)];
  };
  {  // dW_down += dy^T (g a), dy gathered
    Workspace::Scope operands(ctx.workspace());
    const auto packed_dy =
        pack_experts(step, operands, rows, rounding.gradient, [&](const ActiveExpert& a) {
          return gathered(ops::PackSource(dy, /*transposed=*/true).as_left(), a.tokens);
        });
    const auto packed =
        pack_experts(step, operands, rows, rounding.activation, [&](const ActiveExpert& a) {
          const SavedMatrix& activation = saved.experts.activation;
          return activation.empty()
                     ? ops::PackSource(b.experts.activation.slice(0, a.begin, a.count), true)
                     : ops::PackSource(rows_of(activation, a.begin, a.count), true);
        });
    multiply_experts(step, rows, 1, [&](const ActiveExpert& a, i64 i, i64) {
      return ops::GemmJob{
          .a = packed_dy(i), .b = packed(i), .c = grads_of(a).down_proj, .accumulate = true};
    });
  }
  {  // dW_gate += dgate^T x, dW_up += dup^T x, x gathered
    Workspace::Scope operands(ctx.workspace());
    const auto pack_rows = [&](View<const float, 2> rows_of_all) {
      return pack_experts(step, operands, rows, rounding.gradient, [&](const ActiveExpert& a) {
        return ops::PackSource(rows_of_all.slice(0, a.begin, a.count), /*transposed=*/true)
            .as_left();
      });
    };
    const auto packed_dgate = pack_rows(b.experts.dgate), packed_dup = pack_rows(b.experts.dup);
    const auto packed_x =
        pack_experts(step, operands, rows, rounding.activation,
                     [&](const ActiveExpert& a) { return gathered(x, a.tokens); });
    multiply_experts(step, rows, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
      return ops::GemmJob{.a = m == 0 ? packed_dgate(i) : packed_dup(i),
                          .b = packed_x(i),
                          .c = m == 0 ? grads_of(a).gate_proj : grads_of(a).up_proj,
                          .accumulate = true};
    });
  }
  if (w.has_shared_experts) {
    ffn_backward_weight(step, w.shared_experts, dy, x, saved.shared_experts, b.shared_experts,
                        grads.shared_experts);
  }
  linear_backward_weight(step, b.dlogits, *w.gate, x, grads.gate);
}

}  // namespace fathom::model::training
