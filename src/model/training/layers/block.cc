#include "model/training/layers/block.h"

#include <algorithm>

#include "model/training/memory/saved_activations.h"
#include "model/training/moe/balance.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model::training {
namespace {

BranchSaved plan_branch(const ModelConfig& config, const RecomputeConfig& recompute,
                        const Precision& precision, i64 tokens, StoragePlan& plan) {
  BranchSaved saved;
  saved.x = plan.matrix("residual stream", precision.stream(), tokens, config.hidden_size);
  saved.rstd = plan.array<float>("norms' 1/rms", tokens);
  if (!recompute.norms) {
    saved.normed =
        plan.matrix("norm outputs", precision.linear_input(), tokens, config.hidden_size);
  }
  return saved;
}

/// normed = RMSNorm(x).
void enter_branch(const TrainStep& step, View<const float, 2> x, View<const float, 1> norm,
                  View<float, 2> normed, const BranchSaved& saved) {
  save(step, x, saved.x);
  ops::rmsnorm_forward(step.ctx, x, norm, step.config.rms_norm_eps, normed,
                       saved.rstd.slice(0, 0, step.tokens()));
  save(step, normed, saved.normed);
}

/// The backward of one branch: backward(normed transposed for wgrad, dnormed), then its norm, into
/// the residual stream's gradient.
template <typename Backward>
void backward_branch(const TrainStep& step, View<const float, 1> norm, const BranchSaved& saved,
                     View<float, 2> dx, View<float, 1> dnorm, Backward&& backward) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const auto x = scratch.alloc<float>(dx.dim(0), dx.dim(1));
  const auto dnormed = scratch.alloc<float>(dx.dim(0), dx.dim(1));
  load(step, saved.x, x);
  {
    Workspace::Scope recomputed(ctx.workspace());
    View<float, 2> normed = x;  // only its shape is used if it was saved
    if (saved.normed.empty()) {
      normed = recomputed.alloc<float>(dx.dim(0), dx.dim(1));
      ops::rmsnorm_forward(ctx, x, norm, step.config.rms_norm_eps, normed);
    }
    backward(transposed_for_wgrad(saved.normed, normed), dnormed);
  }
  ops::rmsnorm_backward(ctx, dnormed, x, norm, saved.rstd.slice(0, 0, step.tokens()), dx, dnorm,
                        /*accumulate_dx=*/true);
}

/// The second half of a branch by itself: weight(normed transposed for wgrad).
template <typename Weight>
void weight_branch(const TrainStep& step, View<const float, 1> norm, const BranchSaved& saved,
                   Weight&& weight) {
  Ctx& ctx = step.ctx;
  Workspace::Scope scratch(ctx.workspace());
  const auto normed = scratch.alloc<float>(step.tokens(), step.config.hidden_size);
  if (saved.normed.empty()) {
    Workspace::Scope input(ctx.workspace());
    const auto x = input.alloc<float>(normed.dim(0), normed.dim(1));
    load(step, saved.x, x);
    ops::rmsnorm_forward(ctx, x, norm, step.config.rms_norm_eps, normed);
  }
  weight(transposed_for_wgrad(saved.normed, normed));
}

BlockWeightWork::Attention attention_backward_input(
    const TrainStep& step, const TrainingBlockWeights& w, const BlockSaved& saved,
    View<const float, 2> du, View<float, 2> dh, const BlockGrads& grads, Workspace::Scope& scope) {
  if (const auto* mla = std::get_if<TrainingMlaWeights>(&w.self_attn)) {
    const MlaBackward b = alloc_mla_backward(step, scope);
    mla_backward_input(step, *mla, du, std::get<MlaSaved>(saved.self_attn), b, dh,
                       std::get<MlaGrads>(grads.self_attn));
    return b;
  }
  const GqaBackward b = alloc_gqa_backward(step, scope);
  gqa_backward_input(step, std::get<TrainingGqaWeights>(w.self_attn), du,
                     std::get<GqaSaved>(saved.self_attn), b, dh,
                     std::get<GqaGrads>(grads.self_attn));
  return b;
}

void attention_backward_weight(const TrainStep& step, const TrainingBlockWeights& w,
                               const BlockSaved& saved, View<const float, 2> du,
                               const ops::PackSource& h, const BlockWeightWork::Attention& b,
                               const BlockGrads& grads) {
  if (const auto* mla = std::get_if<TrainingMlaWeights>(&w.self_attn)) {
    mla_backward_weight(step, *mla, du, h, std::get<MlaSaved>(saved.self_attn),
                        std::get<MlaBackward>(b), std::get<MlaGrads>(grads.self_attn));
  } else {
    gqa_backward_weight(step, std::get<TrainingGqaWeights>(w.self_attn), du, h,
                        std::get<GqaSaved>(saved.self_attn), std::get<GqaBackward>(b),
                        std::get<GqaGrads>(grads.self_attn));
  }
}

MoeBackward moe_branch_backward_input(const TrainStep& step, const TrainingMoeWeights& w,
                                      const MoeSaved& saved, View<const float, 2> dy,
                                      View<float, 2> dx, Workspace::Scope& scope) {
  const MoeBackward b = alloc_moe_backward(step, w, saved, scope);  // before scratch of one arena
  Workspace::Scope scratch(step.ctx.workspace());
  View<float, 2> dnormalised;
  if (has_balance_loss(step.recipe.balance)) {
    const i64 tokens = step.tokens();
    dnormalised = scratch.alloc<float>(step.sequences, w.gate->out);
    step.stats->balance_losses[static_cast<size_t>(w.moe_layer)] +=
        balance_losses(step, saved.scores.slice(0, 0, tokens), saved.chosen.slice(0, 0, tokens),
                       w.moe_layer, dnormalised);
  }
  moe_backward_input(step, w, dy, saved, dnormalised, b, dx);
  return b;
}

BlockWeightWork::Mlp mlp_backward_input(const TrainStep& step, const TrainingBlockWeights& w,
                                        const BlockSaved& saved, View<const float, 2> dy,
                                        View<float, 2> dx, Workspace::Scope& scope) {
  if (const auto* moe = std::get_if<TrainingMoeWeights>(&w.mlp)) {
    return moe_branch_backward_input(step, *moe, std::get<MoeSaved>(saved.mlp), dy, dx, scope);
  }
  const auto& ffn = std::get<TrainingFfnWeights>(w.mlp);
  const FfnBackward b = alloc_ffn_backward(step, scope, ffn.gate_proj->out);
  ffn_backward_input(step, ffn, dy, std::get<FfnSaved>(saved.mlp), b, dx);
  return b;
}

void mlp_backward_weight(const TrainStep& step, const TrainingBlockWeights& w,
                         const BlockSaved& saved, View<const float, 2> dy, const ops::PackSource& x,
                         const BlockWeightWork::Mlp& b, const BlockGrads& grads) {
  if (const auto* moe = std::get_if<TrainingMoeWeights>(&w.mlp)) {
    moe_backward_weight(step, *moe, dy, x, std::get<MoeSaved>(saved.mlp), std::get<MoeBackward>(b),
                        std::get<MoeGrads>(grads.mlp));
  } else {
    ffn_backward_weight(step, std::get<TrainingFfnWeights>(w.mlp), dy, x,
                        std::get<FfnSaved>(saved.mlp), std::get<FfnBackward>(b),
                        std::get<FfnGrads>(grads.mlp));
  }
}

View<float, 2> copy_of(View<const float, 2> x, Workspace::Scope& scope) {
  const auto copy = scope.alloc<float>(x.dim(0), x.dim(1));
  std::copy_n(x.data(), x.size(), copy.data());
  return copy;
}

}  // namespace

BlockSaved plan_block(const PassShape& shape, i64 layer, i64 tokens, StoragePlan& plan) {
  const auto& [config, recipe, precision, room] = shape;
  BlockSaved saved;
  saved.attention_input = plan_branch(config, recipe.recompute, precision, tokens, plan);
  if (config.is_mla()) {
    saved.self_attn = plan_mla(config, recipe.recompute, precision, tokens, plan);
  } else {
    saved.self_attn = plan_gqa(config, precision, tokens, plan);
  }
  saved.mlp_input = plan_branch(config, recipe.recompute, precision, tokens, plan);
  if (config.is_moe_layer(layer)) {
    saved.mlp = plan_moe(shape, tokens, plan);
  } else {
    saved.mlp = plan_ffn(recipe.recompute, precision, precision.stream(), tokens,
                         config.intermediate_size, plan);
  }
  return saved;
}

void block_training_forward(const TrainStep& step, const TrainingBlockWeights& w, View<float, 2> x,
                            const BlockSaved& saved) {
  Workspace::Scope scratch(step.ctx.workspace());
  const auto normed = scratch.alloc<float>(x.dim(0), x.dim(1));
  const auto branch = scratch.alloc<float>(x.dim(0), x.dim(1));

  enter_branch(step, x, w.input_layernorm, normed, saved.attention_input);
  if (const auto* mla = std::get_if<TrainingMlaWeights>(&w.self_attn)) {
    mla_training_forward(step, *mla, normed, branch, std::get<MlaSaved>(saved.self_attn));
  } else {
    gqa_training_forward(step, std::get<TrainingGqaWeights>(w.self_attn), normed, branch,
                         std::get<GqaSaved>(saved.self_attn));
  }
  ops::add_inplace(step.ctx, x, branch);

  enter_branch(step, x, w.post_attention_layernorm, normed, saved.mlp_input);
  if (const auto* moe = std::get_if<TrainingMoeWeights>(&w.mlp)) {
    moe_training_forward(step, *moe, normed, branch, std::get<MoeSaved>(saved.mlp));
  } else {
    ffn_training_forward(step, std::get<TrainingFfnWeights>(w.mlp), normed, branch,
                         std::get<FfnSaved>(saved.mlp));
  }
  ops::add_inplace(step.ctx, x, branch);
}

void block_backward(const TrainStep& step, const TrainingBlockWeights& w, const BlockSaved& saved,
                    View<float, 2> dx, const BlockGrads& grads) {
  Ctx& ctx = step.ctx;
  backward_branch(step, w.post_attention_layernorm, saved.mlp_input, dx,
                  grads.post_attention_layernorm,
                  [&](const ops::PackSource& normed, View<float, 2> dnormed) {
                    Workspace::Scope scope(ctx.workspace());
                    const auto b = mlp_backward_input(step, w, saved, dx, dnormed, scope);
                    mlp_backward_weight(step, w, saved, dx, normed, b, grads);
                  });
  backward_branch(step, w.input_layernorm, saved.attention_input, dx, grads.input_layernorm,
                  [&](const ops::PackSource& normed, View<float, 2> dnormed) {
                    Workspace::Scope scope(ctx.workspace());
                    const auto b =
                        attention_backward_input(step, w, saved, dx, dnormed, grads, scope);
                    attention_backward_weight(step, w, saved, dx, normed, b, grads);
                  });
}

BlockWeightWork block_backward_input(const TrainStep& step, const TrainingBlockWeights& w,
                                     const BlockSaved& saved, View<float, 2> dx,
                                     const BlockGrads& grads, Workspace::Scope& kept) {
  BlockWeightWork work;
  work.dmlp = copy_of(dx, kept);
  backward_branch(step, w.post_attention_layernorm, saved.mlp_input, dx,
                  grads.post_attention_layernorm,
                  [&](const ops::PackSource&, View<float, 2> dnormed) {
                    work.mlp = mlp_backward_input(step, w, saved, dx, dnormed, kept);
                  });
  work.dattention = copy_of(dx, kept);
  backward_branch(step, w.input_layernorm, saved.attention_input, dx, grads.input_layernorm,
                  [&](const ops::PackSource&, View<float, 2> dnormed) {
                    work.attention =
                        attention_backward_input(step, w, saved, dx, dnormed, grads, kept);
                  });
  return work;
}

void block_backward_weight(const TrainStep& step, const TrainingBlockWeights& w,
                           const BlockSaved& saved, const BlockWeightWork& work,
                           const BlockGrads& grads) {
  weight_branch(step, w.post_attention_layernorm, saved.mlp_input,
                [&](const ops::PackSource& normed) {
                  mlp_backward_weight(step, w, saved, work.dmlp, normed, work.mlp, grads);
                });
  weight_branch(step, w.input_layernorm, saved.attention_input, [&](const ops::PackSource& normed) {
    attention_backward_weight(step, w, saved, work.dattention, normed, work.attention, grads);
  });
}

}  // namespace fathom::model::training
