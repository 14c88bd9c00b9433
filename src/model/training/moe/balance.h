#pragma once
#include "model/training/train_step.h"

namespace fathom::model::training {

/// Any loss that wants a gradient into the router.
bool has_balance_loss(const BalanceConfig& balance);

/// The balance losses of one MoE layer and micro-batch. With s'_{t,e} the normalised scores of a
/// sequence (s' = s for softmax), P_e their mean over its T tokens and K = topk, each is
/// weight * sum f P with f constant for the gradient, a mean over the step's sequences:
///   seq_aux     f_e = N/(KT) * tokens whose K largest RAW scores hold e         V3 eqs (17)-(20)
///   batch_aux   the same with T, f and P over the whole step                    V3 §4.5.3
///   expert_aux  f_e = N/(KT) * tokens that chose e                              V2 §2.2.3
///   device_aux  f_d = mean of expert_aux's f over device d, P_d = sum of P
///   comm_aux    f_d = D/(MT) * tokens with an expert on d,   P_d = sum of P
/// "Chose" is before token dropping. Padding at a sequence's end is none of its tokens; batch_aux,
/// whose T is that of whole rows, is not for padded ones. Returns their sum as it enters the step's
/// loss.
///   scores       [tokens, experts]     f32
///   chosen       [tokens, topk]        i32
///   dnormalised  [sequences, experts]  f32  OVERWRITTEN: dL / ds'_{t,e}, the same for every t
/// `moe_layer`: its row of step.batch_counts.
double balance_losses(const TrainStep& step, View<const float, 2> scores, View<const i32, 2> chosen,
                      i64 moe_layer, View<float, 2> dnormalised);

}  // namespace fathom::model::training
