#pragma once
#include "model/training/layers/block.h"

namespace fathom::model::training {

using TrainingMtpWeights =
    MtpParameters<const PackedLinear*, View<const float, 1>, TrainingBlockWeights>;
using MtpGrads = MtpParameters<View<float, 2>, View<float, 1>, BlockGrads>;

struct MtpSaved {
  View<float, 1> enorm_rstd;  // [tokens]
  View<float, 1> hnorm_rstd;  // [tokens]
  SavedMatrix joined;         // [tokens, 2*hidden]  eh_proj's input; recompute.norms off
  BlockSaved block;
  SavedMatrix out;          // [tokens, hidden]    before shared_head.norm
  View<float, 1> out_rstd;  // [tokens]
};
MtpSaved plan_mtp(const PassShape& shape, i64 layer, i64 tokens, StoragePlan& plan);

/// out = shared_head.norm(TRM_k(eh_proj [RMSNorm_e(Emb(t_{i+k})) ; RMSNorm_h(h^{k-1}_i)])).
/// Source: DeepSeek-V3 §2.2, eqs (21)-(22), in the released weights' order.
///   embedding  [tokens, hidden]  f32  of t_{i+k}
///   hidden  [tokens, hidden]  f32  h^{k-1}: the main model's after its final norm, or the module's
///                                  before after its shared_head.norm
///   out     [tokens, hidden]  f32  overwritten
void mtp_training_forward(const TrainStep& step, const TrainingMtpWeights& w,
                          View<const float, 2> embedding, View<const float, 2> hidden,
                          View<float, 2> out, const MtpSaved& saved);
/// Both halves.
///   dout        [tokens, hidden]  gradient of out
///   dhidden     [tokens, hidden]  ACCUMULATED: the state before feeds a head as well
///   dembedding  [tokens, hidden]  OVERWRITTEN; must not alias embedding
void mtp_backward(const TrainStep& step, const TrainingMtpWeights& w,
                  View<const float, 2> embedding, View<const float, 2> hidden,
                  View<const float, 2> dout, const MtpSaved& saved, View<float, 2> dhidden,
                  const MtpGrads& grads, View<float, 2> dembedding);

}  // namespace fathom::model::training
