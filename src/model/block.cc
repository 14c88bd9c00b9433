#include "model/block.h"

#include "model/part_timer.h"
#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model {
namespace {

void attention_forward(const StepContext& step, const BlockWeights& w, i64 layer,
                       View<const float, 2> h, View<float, 2> u) {
  const PartTimer timer(step.options.profile, StepPart::kAttention);
  if (const auto* mla = std::get_if<MlaWeights>(&w.self_attn)) {
    mla_forward(step, *mla, layer, h, u);
  } else {
    gqa_forward(step, std::get<GqaWeights>(w.self_attn), layer, h, u);
  }
}

void feed_forward(const StepContext& step, const BlockWeights& w, i64 layer, View<const float, 2> x,
                  View<float, 2> y) {
  const auto* moe = std::get_if<MoeWeights>(&w.mlp);
  const PartTimer timer(step.options.profile,
                        moe != nullptr ? StepPart::kExperts : StepPart::kDenseFfn);
  if (moe != nullptr) {
    moe_forward(step, *moe, layer, x, y);
  } else {
    ops::ffn_forward(step.ctx, x, std::get<ops::FfnWeights>(w.mlp), y, step.linear_mode());
  }
}

}  // namespace

void block_forward(const StepContext& step, const BlockWeights& w, i64 layer, View<float, 2> x) {
  Ctx& ctx = step.ctx;
  const float eps = step.config.rms_norm_eps;
  Workspace::Scope scratch(ctx.workspace());
  const auto normed = scratch.alloc<float>(x.dim(0), x.dim(1));
  const auto branch = scratch.alloc<float>(x.dim(0), x.dim(1));

  ops::rmsnorm_forward(ctx, x, w.input_layernorm, eps, normed);
  attention_forward(step, w, layer, normed, branch);
  ops::add_inplace(ctx, x, branch);
  step.options.pause_if_asked();

  ops::rmsnorm_forward(ctx, x, w.post_attention_layernorm, eps, normed);
  feed_forward(step, w, layer, normed, branch);
  ops::add_inplace(ctx, x, branch);
}

}  // namespace fathom::model
