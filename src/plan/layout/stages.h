#pragma once
// Which layers are on which stage, and what a stage's passes take.
#include <vector>

#include "plan/layer/pass_tasks.h"
#include "plan/layout/layout.h"
#include "plan/schedule/playback.h"

namespace fathom::plan {

/// What a stage holds, in the order of the forward pass.
struct Stage {
  std::vector<i64> layers;        // main layers
  bool embedding = false;         // the first
  bool head = false;              // the last: final norm, head, loss and the MTP modules
  std::vector<LayerTimes> times;  // layers, then MTP modules and heads
};

/// Consecutive parts of `costs`, as many as `parts` and none empty, whose largest sum is least; the
/// first ones are filled first. Returns where each part begins.
std::vector<size_t> split_evenly(const std::vector<double>& costs, size_t parts);

/// A layer's times under `layout`: its kernels, its exchanges, and what those take from compute
/// that runs beside them.
LayerTimes one_layer(const Cluster& cluster, const ModelConfig& config, const Layout& layout,
                     i64 seq_len, bool moe);

/// Layers dealt to the layout's stages by the time of their passes; the last stage also carries the
/// head and the MTP modules (a layer and a head each).
std::vector<Stage> make_stages(const Cluster& cluster, const ModelConfig& config,
                               const Layout& layout, i64 seq_len);

/// The settings of a layer's kernels under `layout`.
LayerSetting layer_setting(const Cluster& cluster, const Layout& layout, i64 seq_len, bool moe);

/// Tasks of one operation of a schedule on stages `f` (forward) and `b` (backward).
PassTasks operation_tasks(OpKind kind, const Stage& f, const Stage& b, Overlap overlap);

/// Durations of every operation, each lengthened by the machine's imbalance.
OpTimes stage_op_times(const Cluster& cluster, const std::vector<Stage>& stages, Overlap overlap);

}  // namespace fathom::plan
