#include "model/block.h"

#include "ops/elementwise.h"
#include "ops/rmsnorm.h"

namespace fathom::model {

void block_forward(const StepContext& step, const BlockWeights& w, i64 layer, View<float, 2> x) {
  Ctx& ctx = step.ctx;
  const float eps = step.config.rms_norm_eps;
  Workspace::Scope scratch(ctx.workspace());
  const auto normed = scratch.alloc<float>(x.dim(0), x.dim(1));
  const auto branch = scratch.alloc<float>(x.dim(0), x.dim(1));

  ops::rmsnorm_forward(ctx, x, w.input_layernorm, eps, normed);
  if (const auto* mla = std::get_if<MlaWeights>(&w.self_attn)) {
    mla_forward(step, *mla, layer, normed, branch);
  } else {
    gqa_forward(step, std::get<GqaWeights>(w.self_attn), layer, normed, branch);
  }
  ops::add_inplace(ctx, x, branch);

  ops::rmsnorm_forward(ctx, x, w.post_attention_layernorm, eps, normed);
  if (const auto* moe = std::get_if<MoeWeights>(&w.mlp)) {
    moe_forward(step, *moe, normed, branch);
  } else {
    ops::ffn_forward(ctx, normed, std::get<ops::FfnWeights>(w.mlp), branch,
                     step.options.activations);
  }
  ops::add_inplace(ctx, x, branch);
}

}  // namespace fathom::model
