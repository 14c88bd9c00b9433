#pragma once
// A micro-batch's pass over a stage as tasks on two in-order streams of a GPU, compute and
// exchange. The same list gives the pass's duration here and is played GPU by GPU in simulate/.
#include <array>
#include <string>
#include <vector>

#include "plan/layer/layer_kernels.h"
#include "plan/machine/exchange.h"

namespace fathom::plan {

/// One layer, or the head and its loss (then FFN parts alone).
struct LayerTimes {
  std::array<Seconds, kNumLayerParts> parts = {};
  Seconds dispatch_forward;
  Seconds combine_forward;
  Seconds dispatch_backward;  // of the gradients, before the FFN's backward pass
  Seconds combine_backward;
  bool exchanges = false;
  /// Of these times, in which NVLink is in use: rows of tensor parallelism within a part, and what
  /// an exchange forwards in the node, by Exchange.
  std::array<Seconds, kNumLayerParts> rows_on_nvlink = {};
  std::array<Seconds, 4> exchange_on_nvlink = {};

  Seconds part(LayerPart p) const { return parts[static_cast<size_t>(p)]; }
  Seconds compute() const;
  Seconds exchange() const;
  Seconds time_of(Exchange which) const;
};

/// `kernels` by part, compute lengthened by the machine's gap_frac.
LayerTimes layer_times(const Cluster& cluster, const std::vector<Kernel>& kernels);
/// The four exchanges of a layer with experts on `setting.expert_ranks`, at the rates that they
/// have beside compute or `alone`.
void add_exchanges(const Cluster& cluster, const ModelConfig& config, const LayerSetting& setting,
                   bool alone, LayerTimes& times);

enum class Stream { kCompute, kExchange };
enum class Pass { kForward, kBackward };

struct PassTask {
  const char* what = "";  // "attention", "dispatch"
  Pass pass = Pass::kForward;
  i64 layer = 0;  // of the stage
  Stream stream = Stream::kCompute;
  Seconds time;
  Seconds on_nvlink;                    // of it, from its begin
  std::array<i64, 2> after = {-1, -1};  // indices of tasks that must have ended
};
using PassTasks = std::vector<PassTask>;

/// Alone, every exchange is waited for.
PassTasks forward_tasks(const std::vector<LayerTimes>& stage);
PassTasks backward_input_tasks(const std::vector<LayerTimes>& stage);
PassTasks backward_weight_tasks(const std::vector<LayerTimes>& stage);
PassTasks backward_tasks(const std::vector<LayerTimes>& stage);
/// A forward pass of one micro-batch and a backward pass of another, layer by layer in DualPipe's
/// order (DeepSeek's trace): combine(B) attn(F) mlp(B) dispatch(F) dispatch(B) mlp(W) mlp(F)
/// attn(B) attn(W) combine(F), where the trace's combine(B) is the dispatch of gradients. Layers
/// that have no partner stand alone behind the others.
PassTasks overlapped_tasks(const std::vector<LayerTimes>& forward,
                           const std::vector<LayerTimes>& backward);

/// When the last task ends; streams run their tasks in the order of the list.
Seconds duration(const PassTasks& tasks);
/// Time in which an exchange runs and no compute does.
Seconds exposed_exchange(const PassTasks& tasks);

}  // namespace fathom::plan
