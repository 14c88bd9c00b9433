#include "engine/ranks/expert_balancer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/log.h"
#include "io/files/atomic_file.h"
#include "model/model.h"
#include "plan/placement/relabel.h"
#include "plan/units/index.h"

namespace fathom::engine {
namespace {

using plan::at;

model::ExpertMap map_of(const plan::Placement& placement, const plan::PlacementShape& shape) {
  return {placement.expert_of_slot, std::ssize(placement.replica_count), shape.slots_per_gpu()};
}

/// Experts in order over all slots, and from the first again: replicas lie on different ranks,
/// which the balancer would not see to while all loads are equal.
plan::Placement first_placement(i64 experts, const plan::PlacementShape& shape) {
  plan::Placement placement{.replica_count = std::vector<i32>(at(experts), 0)};
  for (i64 slot = 0; slot < shape.replicas; ++slot) {
    const i64 expert = slot % experts;
    placement.expert_of_slot.push_back(static_cast<i32>(expert));
    placement.replica_of_slot.push_back(placement.replica_count[at(expert)]++);
  }
  return placement;
}

double imbalance_of(const std::vector<i64>& loads) {
  return plan::imbalance(std::vector<double>(loads.begin(), loads.end()));
}

}  // namespace

plan::PlacementShape rank_shape(i64 experts, i64 ranks, i64 redundant) {
  return {.replicas = round_up(experts + redundant, ranks), .gpus = ranks};
}

std::vector<model::ExpertMap> first_maps(const model::Model& model,
                                         const plan::PlacementShape& shape) {
  const i64 layers = model.config().num_hidden_layers + model.num_mtp();
  std::vector<model::ExpertMap> maps(at(layers));
  for (i64 l = 0; l < layers; ++l) {
    const i64 experts = std::ssize(model.routed_experts(l));
    if (experts > 0) maps[at(l)] = map_of(first_placement(experts, shape), shape);
  }
  return maps;
}

ExpertBalancer::ExpertBalancer(model::ExpertRanks& experts, comm::Comm& group,
                               const plan::PlacementShape& shape, const BalancerOptions& options)
    : experts_(experts),
      group_(group),
      shape_(shape),
      options_(options),
      layers_(at(experts.slots().layers())) {
  counters_.ranks = group.size();
  for (i64 l = 0; l < std::ssize(layers_); ++l) {
    if (!experts.slots().has_experts(l)) continue;
    const i64 count = experts.slots().map(l).experts();
    layers_[at(l)] = {.placement = first_placement(count, shape),
                      .load = std::vector<float>(at(count), 0.0f)};
  }
}

void ExpertBalancer::after_step(bool had_work) {
  if (options_.every_steps == 0) return;
  if (experts_.slots().is_moving()) end_move();
  if (!changes_.empty()) return begin_next();
  if (!had_work || ++steps_ % options_.every_steps != 0) return;
  look();
  if (!changes_.empty()) begin_next();
}

void ExpertBalancer::look() {
  std::vector<i64> all;
  for (const auto& layer : experts_.take_loads()) all.insert(all.end(), layer.begin(), layer.end());
  group_.all_reduce_i64(all, comm::Reduce::kSum);
  auto next = all.begin();
  for (i64 l = 0; l < std::ssize(layers_); ++l) {
    i64 pairs = 0;
    for (float& load : layers_[at(l)].load) {
      pairs += *next;
      load = load * static_cast<float>(options_.memory) + static_cast<float>(*next++);
    }
    if (pairs > 0) plan_layer(l);
  }
  if (group_.rank() == 0 && !options_.loads_file.empty()) write_loads();
}

void ExpertBalancer::write_loads() const {
  std::string text;
  for (size_t l = 0; l < layers_.size(); ++l) {
    if (layers_[l].load.empty()) continue;
    text += fmt::format("# layer {}: tokens of each expert\n", l);
    for (const float load : layers_[l].load) text += fmt::format("{} ", std::llround(load));
    text += '\n';
  }
  try {
    io::write_file_atomically(options_.loads_file, text);
  } catch (const Error& error) {
    log::warn("the experts' loads are not written: {}", error.message());
  }
}

void ExpertBalancer::plan_layer(i64 l) {
  const Layer& layer = layers_[at(l)];
  plan::Placement next = relabel(layer.placement, plan::place_experts(layer.load, shape_), shape_);
  if (!plan::worth_moving(layer.load, layer.placement, next, shape_.gpus, options_.least_gain)) {
    return;
  }
  const double predicted = plan::imbalance(plan::gpu_loads(layer.load, next, shape_.gpus));
  changes_.push_back({.layer = l, .next = std::move(next), .predicted = predicted});
}

void ExpertBalancer::begin_next() {
  const Change& change = changes_.front();
  counters_.moved_slots +=
      static_cast<u64>(plan::moved_slots(layers_[at(change.layer)].placement, change.next));
  counters_.moved_bytes +=
      static_cast<u64>(experts_.slots().begin_move(change.layer, map_of(change.next, shape_)));
}

void ExpertBalancer::end_move() {
  experts_.slots().finish_move();
  Change change = std::move(changes_.front());
  changes_.pop_front();
  Layer& layer = layers_[at(change.layer)];
  if (group_.rank() == 0) {
    log::info(
        "experts of layer {} change places: largest over mean load of a rank {:.3f}, then {:.3f}",
        change.layer, imbalance_of(experts_.rank_loads()[at(change.layer)]), change.predicted);
  }
  layer.placement = std::move(change.next);
  layer.predicted = change.predicted;
  experts_.clear_rank_loads(change.layer);
  ++counters_.placements;
}

ExpertCounters ExpertBalancer::counters() const {
  ExpertCounters counters = counters_;
  double measured = 0.0, predicted = 0.0, layers = 0.0, placed = 0.0;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const std::vector<i64>& loads = experts_.rank_loads()[l];
    if (std::ranges::all_of(loads, [](i64 load) { return load == 0; })) continue;
    measured += imbalance_of(loads);
    layers += 1.0;
    if (layers_[l].predicted == 0.0) continue;
    predicted += layers_[l].predicted;
    placed += 1.0;
  }
  counters.step_imbalance = experts_.round_imbalance();
  if (layers > 0.0) counters.imbalance = measured / layers;
  if (placed > 0.0) counters.predicted = predicted / placed;
  return counters;
}

}  // namespace fathom::engine
