#pragma once
// Expert balance outside the losses: the router's bias follows the load, and what the load was is
// told.
#include <span>
#include <string>

#include "config/run/training_recipe.h"
#include "model/training/training_model.h"
#include "report/metrics/metrics.h"

namespace fathom::train {

/// Moves the bias of one router by the step's counts c, over the whole global batch, after the
/// optimizer's step. e_i = mean(c) - c_i is positive for an expert with too little load.
///   sign          u_i = sign(e_i)                 DeepSeek-V3 §2.1.2
///   proportional  u_i = e_i / mean(c)             relative, so that gamma means the same for any
///                                                 batch size (arXiv 2408.15664 app. C for softmax)
///   b_i += speed * (u_i - mean_j u_j if bias_recenter)                              (Moonlight)
///   counts  [experts]      token-expert pairs, not all zero unless nothing is to be done
///   bias    [experts] f32  updated
void update_router_bias(const BalanceConfig& config, double speed, std::span<const i64> counts,
                        View<float, 1> bias);

/// The same for every MoE layer of the model.
void update_router_biases(const BalanceConfig& config, double speed, const model::StepStats& stats,
                          model::TrainingModel& model);

/// MaxVio of one layer: (max load - mean load) / mean load; 0 without any load.
double max_violation(std::span<const i64> counts);

/// What the step did to every MoE layer.
std::vector<report::LayerLoad> layer_loads(const model::StepStats& stats,
                                           model::TrainingModel& model);
/// Mean over layers, as the paper gives it; 0 without MoE layers.
double mean_max_violation(std::span<const report::LayerLoad> loads);

}  // namespace fathom::train
