#include "model/training/moe/routed_experts.h"

#include "model/training/memory/saved_activations.h"
#include "model/training/moe/expert_products.h"
#include "ops/elementwise/weighted_silu.h"

namespace fathom::model::training {
namespace {

const TrainingFfnWeights& expert_of(const TrainingMoeWeights& w, const ActiveExpert& a) {
  return w.experts[static_cast<size_t>(a.expert)];
}

/// gate = x W_gate^T, up = x W_up^T; x gathered.
void forward_gate_up(const TrainStep& step, const TrainingMoeWeights& w,
                     const ops::PermutedRows& permuted, View<const float, 2> x, View<float, 2> gate,
                     View<float, 2> up) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed_x = pack_experts(
      step, operands, permuted, w.experts.front().gate_proj->rounding.activation,
      [&](const ActiveExpert& a) { return gathered(ops::PackSource(x).as_left(), a.tokens); });
  multiply_experts(step, permuted, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
    const TrainingFfnWeights& expert = expert_of(w, a);
    return ops::GemmJob{.a = packed_x(i),
                        .b = m == 0 ? expert.gate_proj->fprop : expert.up_proj->fprop,
                        .c = (m == 0 ? gate : up).slice(0, a.begin, a.count)};
  });
}

/// out = activation W_down^T.
void forward_down(const TrainStep& step, const TrainingMoeWeights& w,
                  const ops::PermutedRows& permuted, View<const float, 2> activation,
                  View<float, 2> out) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed =
      pack_experts(step, operands, permuted, w.experts.front().gate_proj->rounding.activation,
                   [&](const ActiveExpert& a) {
                     return ops::PackSource(activation.slice(0, a.begin, a.count)).as_left();
                   });
  multiply_experts(step, permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{
        .a = packed(i), .b = expert_of(w, a).down_proj->fprop, .c = out.slice(0, a.begin, a.count)};
  });
}

/// dgate, dup and the gradients of the rows' weights, from dy gathered.
void backward_swiglu(const TrainStep& step, const TrainingMoeWeights& w, View<const float, 2> dy,
                     const MoeSaved& saved, const ops::PermutedRows& permuted, const FfnBackward& b,
                     View<float, 1> drow_weights) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const i64 rows = b.dgate.dim(0);
  const auto dactivation = scratch.alloc<float>(rows, b.dgate.dim(1));
  const auto packed_dy = pack_experts(
      step, scratch, permuted, w.experts.front().down_proj->rounding.gradient,
      [&](const ActiveExpert& a) { return gathered(ops::PackSource(dy).as_left(), a.tokens); });
  multiply_experts(step, permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed_dy(i),
                        .b = expert_of(w, a).down_proj->dgrad,
                        .c = dactivation.slice(0, a.begin, a.count)};
  });
  load(step, saved.experts.gate, b.dgate);
  load(step, saved.experts.up, b.dup);
  ops::weighted_silu_mul_backward(
      ctx, dactivation, b.dgate, b.dup, saved.row_weights.slice(0, 0, rows), b.dgate, b.dup,
      drow_weights, saved.experts.activation.empty() ? b.activation : View<float, 2>{});
}

/// dx = sum over a token's permuted rows of dgate W_gate + dup W_up, overwritten.
void backward_gate_up(const TrainStep& step, const TrainingMoeWeights& w, const MoeSaved& saved,
                      const ops::PermutedRows& permuted, const FfnBackward& b, View<float, 2> dx) {
  Workspace::Scope scratch(step.ctx.workspace());
  const auto dx_rows = scratch.alloc<float>(b.dgate.dim(0), dx.dim(1));
  for (const bool gate : {true, false}) {
    Workspace::Scope operands(step.ctx.workspace());
    const auto packed = pack_experts(
        step, operands, permuted, w.experts.front().gate_proj->rounding.gradient,
        [&](const ActiveExpert& a) {
          return ops::PackSource((gate ? b.dgate : b.dup).slice(0, a.begin, a.count)).as_left();
        });
    multiply_experts(step, permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
      const TrainingFfnWeights& expert = expert_of(w, a);
      return ops::GemmJob{.a = packed(i),
                          .b = gate ? expert.gate_proj->dgrad : expert.up_proj->dgrad,
                          .c = dx_rows.slice(0, a.begin, a.count),
                          .accumulate = !gate};
    });
  }
  ops::combine_rows(step.ctx, dx_rows, permuted, saved.kept.slice(0, 0, step.tokens()), {},
                    /*accumulate=*/false, dx);
}

/// dW_down += dy^T (g a), dy gathered.
void backward_down_weight(const TrainStep& step, const LinearRounding& rounding,
                          View<const float, 2> dy, const MoeSaved& saved,
                          const ops::PermutedRows& permuted, const FfnBackward& b,
                          std::span<const FfnGrads> grads) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed_dy =
      pack_experts(step, operands, permuted, rounding.gradient, [&](const ActiveExpert& a) {
        return gathered(ops::PackSource(dy, /*transposed=*/true).as_left(), a.tokens);
      });
  const auto packed =
      pack_experts(step, operands, permuted, rounding.activation, [&](const ActiveExpert& a) {
        const SavedMatrix& activation = saved.experts.activation;
        return activation.empty()
                   ? ops::PackSource(b.activation.slice(0, a.begin, a.count), /*transposed=*/true)
                   : ops::PackSource(rows_of(activation, a.begin, a.count), /*transposed=*/true);
      });
  multiply_experts(step, permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed_dy(i),
                        .b = packed(i),
                        .c = grads[static_cast<size_t>(a.expert)].down_proj,
                        .accumulate = true};
  });
}

/// dW_gate += dgate^T x, dW_up += dup^T x, x gathered.
void backward_gate_up_weights(const TrainStep& step, const LinearRounding& rounding,
                              const ops::PackSource& x, const ops::PermutedRows& permuted,
                              const FfnBackward& b, std::span<const FfnGrads> grads) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto pack_gradient = [&](View<const float, 2> dout) {
    return pack_experts(step, operands, permuted, rounding.gradient, [&](const ActiveExpert& a) {
      return ops::PackSource(dout.slice(0, a.begin, a.count), /*transposed=*/true).as_left();
    });
  };
  const auto packed_dgate = pack_gradient(b.dgate), packed_dup = pack_gradient(b.dup);
  const auto packed_x = pack_experts(step, operands, permuted, rounding.activation,
                                     [&](const ActiveExpert& a) { return gathered(x, a.tokens); });
  multiply_experts(step, permuted, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
    const FfnGrads& expert = grads[static_cast<size_t>(a.expert)];
    return ops::GemmJob{.a = m == 0 ? packed_dgate(i) : packed_dup(i),
                        .b = packed_x(i),
                        .c = m == 0 ? expert.gate_proj : expert.up_proj,
                        .accumulate = true};
  });
}

}  // namespace

ops::PermutedRows permuted_rows_of_step(const TrainStep& step, const ops::PermutedRows& stored) {
  const i64 tokens = step.tokens(), topk = stored.row_of.dim(1);
  return {.offsets = stored.offsets,
          .tokens = stored.tokens.slice(0, 0, tokens * topk),
          .slots = stored.slots.slice(0, 0, tokens * topk),
          .row_of = stored.row_of.slice(0, 0, tokens)};
}

i64 num_permuted_rows(const ops::PermutedRows& permuted) {
  return permuted.offsets(permuted.offsets.dim(0) - 1);
}

void routed_experts_forward(const TrainStep& step, const TrainingMoeWeights& w,
                            View<const float, 2> x, View<float, 2> y, const MoeSaved& saved) {
  Ctx& ctx = step.ctx;
  const ops::PermutedRows permuted = permuted_rows_of_step(step, saved.permuted);
  const i64 rows = num_permuted_rows(permuted), width = step.config.moe_intermediate_size;
  Workspace::Scope scratch(ctx.workspace());
  const auto gate = scratch.alloc<float>(rows, width), up = scratch.alloc<float>(rows, width);
  forward_gate_up(step, w, permuted, x, gate, up);
  save(step, gate, saved.experts.gate);
  save(step, up, saved.experts.up);
  ops::weighted_silu_mul_forward(ctx, gate, up, saved.row_weights.slice(0, 0, rows), gate);
  save(step, gate, saved.experts.activation);
  const auto out = scratch.alloc<float>(rows, y.dim(1));
  forward_down(step, w, permuted, gate, out);
  ops::combine_rows(ctx, out, permuted, saved.kept.slice(0, 0, step.tokens()), {},
                    /*accumulate=*/false, y);
}

void routed_experts_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                                   View<const float, 2> dy, const MoeSaved& saved,
                                   const FfnBackward& b, View<float, 2> dweights,
                                   View<float, 2> dx) {
  const ops::PermutedRows permuted = permuted_rows_of_step(step, saved.permuted);
  Workspace::Scope scratch(step.ctx.workspace());
  const auto drow_weights = scratch.alloc<float>(num_permuted_rows(permuted));
  backward_swiglu(step, w, dy, saved, permuted, b, drow_weights);
  backward_gate_up(step, w, saved, permuted, b, dx);
  ops::unpermute_weights(step.ctx, drow_weights, permuted, dweights);
}

void routed_experts_backward_weight(const TrainStep& step, const TrainingMoeWeights& w,
                                    View<const float, 2> dy, const ops::PackSource& x,
                                    const MoeSaved& saved, const FfnBackward& b,
                                    std::span<const FfnGrads> grads) {
  const ops::PermutedRows permuted = permuted_rows_of_step(step, saved.permuted);
  const LinearRounding& rounding = w.experts.front().gate_proj->rounding;
  backward_down_weight(step, rounding, dy, saved, permuted, b, grads);
  backward_gate_up_weights(step, rounding, x, permuted, b, grads);
}

}  // namespace fathom::model::training
