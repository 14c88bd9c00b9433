#pragma once
// What a pass is given: one micro-batch, and its share of the step.
#include <vector>

#include "device/ctx.h"
#include "tensor/view.h"

namespace fathom::model {

/// A loss of the main head that is not the mean over its targets.
class HeadObjective {
 public:
  virtual ~HeadObjective() = default;
  /// Asked once for every position of a micro-batch, in stretches: sequences end to end.
  ///   first             position of the stretch's first token in the micro-batch
  ///   targets  [tokens]         i32  negative: none
  ///   logits   [tokens, vocab]  f32  OVERWRITTEN: dL / dlogits
  ///   nll      [tokens]         f64  OVERWRITTEN: -log p(target), 0 without a target
  ///   largest  [tokens]         i32  as of ops::cross_entropy_inplace, or empty
  virtual void differentiate(Ctx& ctx, i64 first, View<const i32, 1> targets, View<float, 2> logits,
                             View<double, 1> nll, View<i32, 1> largest) = 0;
};

/// Weighs targets by what the model thinks of them: for losses of their log-probabilities alone
/// (the mean of means of samples, a policy's gradient).
class TokenObjective : public HeadObjective {
 public:
  void differentiate(Ctx& ctx, i64 first, View<const i32, 1> targets, View<float, 2> logits,
                     View<double, 1> nll, View<i32, 1> largest) final;
  /// Asked once for every position of a micro-batch, in stretches: sequences end to end.
  ///   first             position of the stretch's first token in the micro-batch
  ///   nll      [tokens]  f64  -log p(target) with logits / temperature(); 0 without a target
  ///   weights  [tokens]  f32  OVERWRITTEN: dL / dnll
  virtual void weigh(i64 first, View<const double, 1> nll, View<float, 1> weights) = 0;
  /// Logits are divided by it, as sampling divides them.
  virtual double temperature() const { return 1.0; }
};

/// Experts that tokens chose elsewhere, in the rollout: the pass uses them, with weights from its
/// own scores, so that gradients reach the router. Source: arXiv 2510.11370 (R3).
struct RouteReplay {
  View<const i32, 3> chosen;  // [main MoE layers, tokens, topk]; first one negative: as the pass
                              // chooses
  bool apply = true;          // else the pass goes its own way, and differences are counted
  std::vector<i64> changed;   // [main MoE layers] ACCUMULATED: of these pairs, those that the pass
                              // itself would not have chosen
  i64 pairs = 0;              // of a layer, of all passes: ACCUMULATED with the first layer
};

/// One micro-batch; all views row-major, owned by the caller.
struct TrainingBatch {
  View<const i32, 2> tokens;       // [sequences, seq_len + 1 + mtp_depth]
  View<const i32, 3> targets;      // [1 + mtp_depth, sequences, seq_len]; negative: no target
  View<const i32, 2> documents;    // [sequences, seq_len + 1 + mtp_depth]; negative at a row's end:
                                   // padding, which statistics of routers leave out; empty: none
  View<const i64, 1> samples;      // [sequences] absolute sample index: who is exempt from dropping
  bool isolate_documents = false;  // they see themselves alone, their positions begin at 0
  HeadObjective* objective = nullptr;  // of the main head; nullptr: LossScale::targets alone
  RouteReplay* routes = nullptr;
};

/// The one place where losses are scaled. Everything is a share of the whole step, so that any
/// split into micro-batches gives the same loss and the same gradients.
struct LossScale {
  double targets = 1.0;     // of the step's whole batch: each has weight 1 / targets
  double sequences = 1.0;   // of the step's whole batch: balance losses are means over them
  double mtp_weight = 0.0;  // lambda; divided by the depth inside, as V3 eq. (25)
};

}  // namespace fathom::model
