#pragma once
#include "model/block.h"

namespace fathom::model {

/// Weights of the multi-token-prediction module of depth k, layer `num_hidden_layers` + k - 1 of
/// the checkpoint.
struct MtpWeights : MtpParameters<MatRef, View<const float, 1>, BlockWeights> {
  MatRef embed_tokens;      // [vocab, hidden]  the main model's if not stored
  MatRef shared_head_head;  // [vocab, hidden]  the main model's if not stored
};

/// out = TRM_k(eh_proj [RMSNorm_e(Emb(t_{i+k})) ; RMSNorm_h(h^{k-1}_i)]), then shared_head.norm.
/// Source: DeepSeek-V3 §2.2, eqs (21)-(22); the order inside [ ; ] is the released weights', the
/// reverse of eq. (21).
///   hidden       [tokens, hidden]  f32  h^{k-1}: the main model's after its final norm, or `out`
///                                       of the module before
///   next_tokens  [tokens]          i32  t_{i+k}
///   out          [tokens, hidden]  f32  overwritten; must not alias hidden
/// `step` holds the one sequence; its keys lie in the cache's layer `layer`.
void mtp_block_forward(const StepContext& step, const MtpWeights& w, i64 layer,
                       View<const float, 2> hidden, View<const i32, 1> next_tokens,
                       View<float, 2> out);

}  // namespace fathom::model
