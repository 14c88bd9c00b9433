#include "model/training/layers/ffn.h"

#include "model/training/memory/saved_activations.h"
#include "ops/elementwise/elementwise.h"

namespace fathom::model::training {

FfnSaved plan_ffn(const RecomputeConfig& recompute, const Precision& precision, SavedFormat hidden,
                  i64 tokens, i64 intermediate, StoragePlan& plan) {
  FfnSaved saved{.gate = plan.matrix("gate and up outputs", hidden, tokens, intermediate),
                 .up = plan.matrix("gate and up outputs", hidden, tokens, intermediate),
                 .activation = {}};
  if (!recompute.swiglu) {
    saved.activation =
        plan.matrix("SwiGLU outputs", precision.linear_input(), tokens, intermediate);
  }
  return saved;
}

FfnBackward alloc_ffn_backward(const TrainStep& step, Workspace::Scope& scope, i64 intermediate) {
  return {.dgate = scope.alloc<float>(step.tokens(), intermediate),
          .dup = scope.alloc<float>(step.tokens(), intermediate),
          .activation = scope.alloc<float>(step.tokens(), intermediate)};
}

void ffn_training_forward(const TrainStep& step, const TrainingFfnWeights& w,
                          View<const float, 2> x, View<float, 2> y, const FfnSaved& saved) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const auto gate = scratch.alloc<float>(x.dim(0), w.gate_proj->out);
  const auto up = scratch.alloc<float>(x.dim(0), w.gate_proj->out);
  {
    Workspace::Scope input(ctx.workspace());
    const ops::PackedMatrix packed_x = pack_input(step, input, x, *w.gate_proj);
    const ops::GemmJob jobs[] = {{.a = packed_x, .b = w.gate_proj->fprop, .c = gate},
                                 {.a = packed_x, .b = w.up_proj->fprop, .c = up}};
    ops::gemm(ctx, jobs, step.precision.accumulator());
  }
  save(step, gate, saved.gate);
  save(step, up, saved.up);
  ops::silu_mul_forward(ctx, gate, up, gate);
  save(step, gate, saved.activation);
  linear_training_forward(step, gate, *w.down_proj, y);
}

void ffn_backward_input(const TrainStep& step, const TrainingFfnWeights& w, View<const float, 2> dy,
                        const FfnSaved& saved, const FfnBackward& b, View<float, 2> dx, Into into) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const auto dactivation = scratch.alloc<float>(dy.dim(0), w.gate_proj->out);
  load(step, saved.gate, b.dgate);
  load(step, saved.up, b.dup);
  linear_backward_input(step, dy, *w.down_proj, dactivation);
  ops::silu_mul_backward(ctx, dactivation, b.dgate, b.dup, b.dgate, b.dup,
                         saved.activation.empty() ? b.activation : View<float, 2>{});
  linear_backward_input(step, b.dgate, *w.gate_proj, dx, into);
  linear_backward_input(step, b.dup, *w.up_proj, dx, Into::kAccumulate);
}

void ffn_backward_weight(const TrainStep& step, const TrainingFfnWeights& w,
                         View<const float, 2> dy, const ops::PackSource& x, const FfnSaved& saved,
                         const FfnBackward& b, const FfnGrads& grads) {
  linear_backward_weight(step, dy, *w.down_proj,
                         transposed_for_wgrad(saved.activation, b.activation), grads.down_proj);
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const ops::PackedMatrix packed_x = pack_input_transposed(step, scratch, x, *w.gate_proj);
  const ops::GemmJob jobs[] = {{.a = pack_gradient_transposed(step, scratch, b.dgate, *w.gate_proj),
                                .b = packed_x,
                                .c = grads.gate_proj,
                                .accumulate = true},
                               {.a = pack_gradient_transposed(step, scratch, b.dup, *w.up_proj),
                                .b = packed_x,
                                .c = grads.up_proj,
                                .accumulate = true}};
  ops::gemm(ctx, jobs, step.precision.accumulator());
}

}  // namespace fathom::model::training
