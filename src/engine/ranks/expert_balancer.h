#pragma once
// EPLB from live loads: experts change places while the model serves. Source: DeepSeek-V3 §3.4.
//
// Every rank computes the same from loads that all ranks added up: nobody is told anything.
#include <deque>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "model/expert_ranks/expert_ranks.h"
#include "plan/placement/eplb.h"

namespace fathom::engine {

struct BalancerOptions {
  i64 every_steps = 0;       // steps with work between two looks at the loads; 0: never
  double least_gain = 0.05;  // a layer stays as it is unless its largest load falls by this share
  double memory = 0.5;       // what a look weighs at the next one
  /// Written by rank 0 at every look, for `fathom plan balance`: a line a layer; empty: nowhere.
  std::string loads_file = {};
};

/// Where a layer's experts are before anything was counted. Slots: ranks * ceil((experts +
/// redundant) / ranks), so that all have as many.
plan::PlacementShape rank_shape(i64 experts, i64 ranks, i64 redundant);
std::vector<model::ExpertMap> first_maps(const model::Model& model,
                                         const plan::PlacementShape& shape);

class ExpertBalancer {
 public:
  /// `experts` began with first_maps(shape). Both outlive it; `group` is its ranks.
  ExpertBalancer(model::ExpertRanks& experts, comm::Comm& group, const plan::PlacementShape& shape,
                 const BalancerOptions& options);

  /// Between two steps, on all ranks alike: a layer that was on its way takes its new places, the
  /// next one sets out, or it is time to look at the loads. `had_work` of any rank.
  void after_step(bool had_work);
  ExpertCounters counters() const;

 private:
  struct Layer {
    plan::Placement placement;
    std::vector<float> load;  // moving average, by expert
    double predicted = 0.0;   // 0: nothing was said
  };
  struct Change {
    i64 layer = 0;
    plan::Placement next;
    double predicted = 1.0;
  };
  void look();
  void plan_layer(i64 layer);
  void write_loads() const;
  void begin_next();
  void end_move();

  model::ExpertRanks& experts_;
  comm::Comm& group_;
  plan::PlacementShape shape_;
  BalancerOptions options_;
  std::vector<Layer> layers_;
  std::deque<Change> changes_;  // the first is on its way if slots().is_moving()
  i64 steps_ = 0;
  ExpertCounters counters_;
};

}  // namespace fathom::engine
