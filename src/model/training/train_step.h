#pragma once
// What every layer of one training pass shares: the batch's shape, the recipe, where statistics go.
//
// Each layer is one file with its three functions next to each other:
//   x_training_forward(step, w, in, out, saved)      writes to `saved` what backward needs
//   x_backward_input(step, w, dout, saved, b, din)   recomputes what was not saved, then din; what
//                                                    both halves need stands in `b`
//   x_backward_weight(step, dout, in, saved, b, grads)
// Gradients of activations are OVERWRITTEN, gradients of parameters ACCUMULATED; the one exception
// is the residual stream, whose gradient every branch adds to. A norm's weight gets its gradient in
// backward_input, since both gradients of a norm are one pass over its rows.
#include "config/model/model_config.h"
#include "config/run/training_recipe.h"
#include "device/ctx.h"
#include "model/exchange/expert_exchange.h"
#include "model/training/precision.h"
#include "model/training/step_stats.h"
#include "model/training/training_batch.h"
#include "ops/elementwise/rope.h"

namespace fathom::model::training {

struct TrainStep {
  Ctx& ctx;
  const ModelConfig& config;
  const TrainingRecipe& recipe;
  const Precision& precision;

  i64 sequences = 0;
  i64 seq_len = 0;
  ops::RopeAngles rope = {};           // of every token's position in its sequence
  View<const i32, 1> first_key = {};   // [tokens] first position it may see; empty: 0
  View<const i64, 1> samples = {};     // [sequences]
  HeadObjective* objective = nullptr;  // of the main head
  RouteReplay* routes = nullptr;
  View<const i32, 1> lengths = {};     // [sequences] tokens before the padding; empty: seq_len each
  bool drop_tokens = false;            // token dropping applies; never in evaluation
  ExpertExchange* exchange = nullptr;  // where experts are on several ranks

  StepStats* stats = nullptr;    // nullptr: none is wanted
  View<i64, 2> raw_counts = {};  // [MoE layers, experts] ACCUMULATED raw top-k; empty: not wanted

  // Of the backward pass.
  LossScale scale = {};
  View<const i64, 2> batch_counts = {};  // [MoE layers, experts] raw top-k of the whole step;
                                         // empty: no batch-wise loss

  i64 tokens() const { return sequences * seq_len; }
  i64 length(i64 sequence) const { return lengths.empty() ? seq_len : lengths(sequence); }
  /// Without padding.
  i64 text_tokens() const {
    if (lengths.empty()) return tokens();
    i64 sum = 0;
    for (i64 sequence = 0; sequence < sequences; ++sequence) sum += lengths(sequence);
    return sum;
  }
};

}  // namespace fathom::model::training
