#include "model/training/moe/expert_run.h"

#include "model/training/memory/saved_activations.h"
#include "model/training/moe/expert_products.h"
#include "ops/elementwise/weighted_silu.h"

namespace fathom::model::training {
namespace {

const TrainingFfnWeights& expert_of(const ExpertRun& run, const ActiveExpert& a) {
  return run.experts[static_cast<size_t>(a.expert)];
}
const LinearRounding& rounding_of(const ExpertRun& run) {
  return run.experts.front().gate_proj->rounding;
}

/// gate = x W_gate^T, up = x W_up^T; x gathered.
void forward_gate_up(const TrainStep& step, const ExpertRun& run, const ops::PackSource& x,
                     View<float, 2> gate, View<float, 2> up) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed_x =
      pack_experts(step, operands, run.permuted, rounding_of(run).activation,
                   [&](const ActiveExpert& a) { return gathered(x.as_left(), a.tokens); });
  multiply_experts(step, run.permuted, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
    const TrainingFfnWeights& expert = expert_of(run, a);
    return ops::GemmJob{.a = packed_x(i),
                        .b = m == 0 ? expert.gate_proj->fprop : expert.up_proj->fprop,
                        .c = (m == 0 ? gate : up).slice(0, a.begin, a.count)};
  });
}

/// out = activation W_down^T.
void forward_down(const TrainStep& step, const ExpertRun& run, View<const float, 2> activation,
                  View<float, 2> out) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed = pack_experts(
      step, operands, run.permuted, rounding_of(run).activation, [&](const ActiveExpert& a) {
        return ops::PackSource(activation.slice(0, a.begin, a.count)).as_left();
      });
  multiply_experts(step, run.permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed(i),
                        .b = expert_of(run, a).down_proj->fprop,
                        .c = out.slice(0, a.begin, a.count)};
  });
}

/// dgate, dup and the gradients of the rows' weights, from dy gathered.
void backward_swiglu(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                     const FfnBackward& b, View<float, 1> drow_weights) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const i64 rows = b.dgate.dim(0);
  const auto dactivation = scratch.alloc<float>(rows, b.dgate.dim(1));
  const auto packed_dy =
      pack_experts(step, scratch, run.permuted, run.experts.front().down_proj->rounding.gradient,
                   [&](const ActiveExpert& a) { return gathered(dy.as_left(), a.tokens); });
  multiply_experts(step, run.permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed_dy(i),
                        .b = expert_of(run, a).down_proj->dgrad,
                        .c = dactivation.slice(0, a.begin, a.count)};
  });
  load(step, run.saved->gate, b.dgate);
  load(step, run.saved->up, b.dup);
  ops::weighted_silu_mul_backward(ctx, dactivation, b.dgate, b.dup, run.row_weights, b.dgate, b.dup,
                                  drow_weights,
                                  run.saved->activation.empty() ? b.activation : View<float, 2>{});
}

/// dx = dgate W_gate + dup W_up, row by row, overwritten.
void backward_gate_up(const TrainStep& step, const ExpertRun& run, const FfnBackward& b,
                      View<float, 2> dx) {
  for (const bool gate : {true, false}) {
    Workspace::Scope operands(step.ctx.workspace());
    const auto packed = pack_experts(
        step, operands, run.permuted, rounding_of(run).gradient, [&](const ActiveExpert& a) {
          return ops::PackSource((gate ? b.dgate : b.dup).slice(0, a.begin, a.count)).as_left();
        });
    multiply_experts(step, run.permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
      const TrainingFfnWeights& expert = expert_of(run, a);
      return ops::GemmJob{.a = packed(i),
                          .b = gate ? expert.gate_proj->dgrad : expert.up_proj->dgrad,
                          .c = dx.slice(0, a.begin, a.count),
                          .accumulate = !gate};
    });
  }
}

/// dW_down += dy^T (g a), dy gathered.
void backward_down_weight(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                          const FfnBackward& b, std::span<const FfnGrads> grads) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto packed_dy =
      pack_experts(step, operands, run.permuted, rounding_of(run).gradient,
                   [&](const ActiveExpert& a) { return gathered(dy.as_left(), a.tokens); });
  const auto packed = pack_experts(
      step, operands, run.permuted, rounding_of(run).activation, [&](const ActiveExpert& a) {
        const SavedMatrix& activation = run.saved->activation;
        return activation.empty()
                   ? ops::PackSource(b.activation.slice(0, a.begin, a.count), /*transposed=*/true)
                   : ops::PackSource(rows_of(activation, a.begin, a.count), /*transposed=*/true);
      });
  multiply_experts(step, run.permuted, 1, [&](const ActiveExpert& a, i64 i, i64) {
    return ops::GemmJob{.a = packed_dy(i),
                        .b = packed(i),
                        .c = grads[static_cast<size_t>(a.expert)].down_proj,
                        .accumulate = true};
  });
}

/// dW_gate += dgate^T x, dW_up += dup^T x, x gathered.
void backward_gate_up_weights(const TrainStep& step, const ExpertRun& run, const ops::PackSource& x,
                              const FfnBackward& b, std::span<const FfnGrads> grads) {
  Workspace::Scope operands(step.ctx.workspace());
  const auto pack_gradient = [&](View<const float, 2> dout) {
    return pack_experts(
        step, operands, run.permuted, rounding_of(run).gradient, [&](const ActiveExpert& a) {
          return ops::PackSource(dout.slice(0, a.begin, a.count), /*transposed=*/true).as_left();
        });
  };
  const auto packed_dgate = pack_gradient(b.dgate), packed_dup = pack_gradient(b.dup);
  const auto packed_x = pack_experts(step, operands, run.permuted, rounding_of(run).activation,
                                     [&](const ActiveExpert& a) { return gathered(x, a.tokens); });
  multiply_experts(step, run.permuted, 2, [&](const ActiveExpert& a, i64 i, i64 m) {
    const FfnGrads& expert = grads[static_cast<size_t>(a.expert)];
    return ops::GemmJob{.a = m == 0 ? packed_dgate(i) : packed_dup(i),
                        .b = packed_x(i),
                        .c = m == 0 ? expert.gate_proj : expert.up_proj,
                        .accumulate = true};
  });
}

}  // namespace

void experts_forward(const TrainStep& step, const ExpertRun& run, const ops::PackSource& x,
                     View<float, 2> out) {
  Ctx& ctx = step.ctx;
  const i64 rows = run.rows(), width = step.config.moe_intermediate_size;
  Workspace::Scope scratch(ctx.workspace());
  const auto gate = scratch.alloc<float>(rows, width), up = scratch.alloc<float>(rows, width);
  forward_gate_up(step, run, x, gate, up);
  save(step, gate, run.saved->gate);
  save(step, up, run.saved->up);
  ops::weighted_silu_mul_forward(ctx, gate, up, run.row_weights, gate);
  save(step, gate, run.saved->activation);
  forward_down(step, run, gate, out);
}

void experts_backward_input(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                            const FfnBackward& b, View<float, 1> drow_weights, View<float, 2> dx) {
  backward_swiglu(step, run, dy, b, drow_weights);
  backward_gate_up(step, run, b, dx);
}

void experts_backward_weight(const TrainStep& step, const ExpertRun& run, const ops::PackSource& dy,
                             const ops::PackSource& x, const FfnBackward& b,
                             std::span<const FfnGrads> grads) {
  backward_down_weight(step, run, dy, b, grads);
  backward_gate_up_weights(step, run, x, b, grads);
}

}  // namespace fathom::model::training
