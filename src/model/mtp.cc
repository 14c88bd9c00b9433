#include "model/mtp.h"

#include "ops/elementwise/elementwise.h"
#include "ops/norm/rmsnorm.h"

namespace fathom::model {

void mtp_block_forward(const StepContext& step, const MtpWeights& w, i64 layer,
                       View<const float, 2> hidden, View<const i32, 1> next_tokens,
                       View<float, 2> out) {
  Ctx& ctx = step.ctx;
  const i64 tokens = hidden.dim(0), width = hidden.dim(1);
  const float eps = step.config.rms_norm_eps;
  Workspace::Scope scratch(ctx.workspace());
  const auto joined = scratch.alloc<float>(tokens, 2 * width);  // [embedding ; hidden]
  const auto embedding = scratch.alloc<float>(tokens, width);
  ops::embedding_forward(ctx, w.embed_tokens, next_tokens, embedding);
  ops::rmsnorm_forward(ctx, embedding, w.enorm, eps, joined.slice(/*axis=*/1, 0, width));
  ops::rmsnorm_forward(ctx, hidden, w.hnorm, eps, joined.slice(/*axis=*/1, width, width));
  ops::linear_forward(ctx, joined, w.eh_proj, out, step.linear_mode());
  block_forward(step, w.block, layer, out);
  ops::rmsnorm_forward(ctx, out, w.shared_head_norm, eps, out);
}

}  // namespace fathom::model
