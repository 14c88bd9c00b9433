#include "cli/plan/plan_balance.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checked_math.h"
#include "base/error.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plan/load_matrix.h"
#include "io/json.h"
#include "plan/placement/eplb.h"
#include "plan/placement/redundancy.h"
#include "plan/placement/relabel.h"

namespace fathom::cli {
namespace {

/// Largest over mean load of the GPUs, layer by layer.
struct LayerBalance {
  plan::Placement placement;
  double kept = 1.0;  // on the placement by earlier loads
  i64 moved = 0;      // slots whose expert is another one than there
  bool worth_moving = false;
  double as_numbered = 1.0;  // experts on GPUs by their numbers
  double placed = 1.0;       // by the balancer, replicas sharing alike
  double dealt = 1.0;        // tokens dealt to the replicas for the least largest load
  i64 most_active = 0;
};

double mean_of(const std::vector<LayerBalance>& layers, double LayerBalance::*member) {
  double sum = 0.0;
  for (const LayerBalance& layer : layers) sum += layer.*member;
  return sum / static_cast<double>(layers.size());
}
double most_of(const std::vector<LayerBalance>& layers, double LayerBalance::*member) {
  double most = 0.0;
  for (const LayerBalance& layer : layers) most = std::max(most, layer.*member);
  return most;
}

double numbered_imbalance(const std::vector<i64>& load, i64 gpus) {
  std::vector<double> sums(static_cast<size_t>(gpus), 0.0);
  for (size_t e = 0; e < load.size(); ++e) {
    sums[e * sums.size() / load.size()] += static_cast<double>(load[e]);
  }
  return plan::imbalance(sums);
}

LayerBalance balance_layer(const std::vector<i64>& load, const plan::PlacementShape& shape,
                           i64 max_active) {
  const std::vector<float> weight(load.begin(), load.end());
  LayerBalance layer{.placement = place_experts(weight, shape)};
  layer.as_numbered = numbered_imbalance(load, shape.gpus);
  layer.placed = plan::imbalance(gpu_loads(weight, layer.placement, shape.gpus));
  const auto routing =
      plan::route_tokens(load, hosts_of(layer.placement, shape.gpus), shape.gpus, max_active);
  double sum = 0.0;
  for (const i64 tokens : load) sum += static_cast<double>(tokens);
  if (sum > 0.0) {
    layer.dealt = static_cast<double>(routing.largest) * static_cast<double>(shape.gpus) / sum;
  }
  layer.most_active = routing.most_active;
  return layer;
}

/// From where experts are by earlier loads: GPUs are renamed so that fewest experts move.
void move_from(const std::vector<i64>& earlier, const std::vector<i64>& load,
               const plan::PlacementShape& shape, LayerBalance& layer) {
  const std::vector<float> weight(load.begin(), load.end());
  const std::vector<float> earlier_weight(earlier.begin(), earlier.end());
  const plan::Placement now = place_experts(earlier_weight, shape);
  layer.placement = relabel(now, layer.placement, shape);
  layer.kept = plan::imbalance(gpu_loads(weight, now, shape.gpus));
  layer.moved = moved_slots(now, layer.placement);
  layer.worth_moving = plan::worth_moving(weight, now, layer.placement, shape.gpus);
}

void print_moves(const std::vector<LayerBalance>& layers, const plan::PlacementShape& shape) {
  i64 moved = 0, worth = 0;
  for (const LayerBalance& layer : layers) {
    moved += layer.moved;
    worth += layer.worth_moving ? 1 : 0;
  }
  out::print("left as placed by the earlier loads {:>13.3f} {:>12.3f}\n",
             mean_of(layers, &LayerBalance::kept), most_of(layers, &LayerBalance::kept));
  out::print("slots that get another expert      {:>14} of {}\n", moved,
             shape.replicas * std::ssize(layers));
  out::print("layers worth moving (gain over 5 %){:>14} of {}\n", worth, layers.size());
}

void print_text(const std::vector<LayerBalance>& layers, const plan::PlacementShape& shape) {
  const bool hierarchical = shape.groups % shape.nodes == 0;
  out::print("{} layers, {} replicas on {} GPUs in {} node{}: {} placement\n", layers.size(),
             shape.replicas, shape.gpus, shape.nodes, shape.nodes == 1 ? "" : "s",
             hierarchical ? "hierarchical" : "global");
  out::print("largest over mean load of a GPU    mean of layers  worst layer\n");
  const auto row = [&](const char* what, double LayerBalance::*member) {
    out::print("  {:<32} {:>14.3f} {:>12.3f}\n", what, mean_of(layers, member),
               most_of(layers, member));
  };
  row("experts as they are numbered", &LayerBalance::as_numbered);
  row("placed and replicated", &LayerBalance::placed);
  row("tokens dealt to replicas", &LayerBalance::dealt);
  i64 active = 0;
  for (const LayerBalance& layer : layers) active = std::max(active, layer.most_active);
  out::print("experts at work on a GPU, most     {:>14}\n", active);
  out::print("time of the experts' products, placed: {:.2f} of what it is; dealt: {:.2f}\n",
             mean_of(layers, &LayerBalance::placed) / mean_of(layers, &LayerBalance::as_numbered),
             mean_of(layers, &LayerBalance::dealt) / mean_of(layers, &LayerBalance::as_numbered));
}

void print_json(const std::vector<LayerBalance>& layers, bool moves) {
  io::JsonArray rows;
  for (const LayerBalance& layer : layers) {
    const plan::Placement& p = layer.placement;
    io::JsonObject row;
    row.set("expert_of_slot", io::JsonArray(p.expert_of_slot.begin(), p.expert_of_slot.end()));
    row.set("replica_count", io::JsonArray(p.replica_count.begin(), p.replica_count.end()));
    row.set("as_numbered", layer.as_numbered);
    row.set("placed", layer.placed);
    row.set("dealt", layer.dealt);
    row.set("most_active", layer.most_active);
    if (moves) {
      row.set("kept", layer.kept);
      row.set("moved_slots", layer.moved);
      row.set("worth_moving", layer.worth_moving);
    }
    rows.emplace_back(std::move(row));
  }
  out::print("{}\n", io::write_json(std::move(rows), 2));
}

}  // namespace

void PlanBalance::add(Arguments& parent) {
  command_ = parent.add_command("balance", "What placing experts by their loads would bring");
  command_.add_option("loads", loads_, "Run directory, metrics.jsonl, JSON or text: a line a layer")
      .type_name("LOADS")
      .required();
  const auto count = [&](const char* name, i64& value, const char* help) {
    command_.add_option(name, value, help).check(integer_between(1, 1 << 16)).show_default();
  };
  count("--gpus", gpus_, "GPUs that share the experts");
  count("--nodes", nodes_, "Nodes of them");
  count("--groups", groups_, "Expert groups that routing keeps together");
  command_.add_option("--replicas", replicas_, "Slots of experts in all; 0: one each, rounded up")
      .check(integer_between(0, 1 << 20));
  command_.add_option("--active", active_, "Experts at work on a GPU at most; 0: any number")
      .check(integer_between(0, 1 << 16));
  command_.add_option("--step", step_, "Of a run's metrics; 0: the last").check(integer_from(0));
  command_.add_option("--before", before_, "Earlier loads, by which the experts are placed now")
      .type_name("LOADS");
  command_
      .add_option("--before-step", before_step_,
                  "Of their run's metrics (without --before: of LOADS); 0: the last")
      .check(integer_from(0));
  command_.add_flag("--json", json_, "Print every layer's placement as JSON");
  command_.footer("Example: fathom plan balance runs/a --gpus 8 --replicas 80");
}

LoadMatrix PlanBalance::read_earlier(const LoadMatrix& loads) const {
  LoadMatrix earlier = read_loads(before_, before_step_);
  if (earlier.size() != loads.size() || earlier.front().size() != loads.front().size()) {
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: found {} layers of {} experts, expected {} of {} as in {}",
                            before_, earlier.size(), earlier.front().size(), loads.size(),
                            loads.front().size(), loads_));
  }
  return earlier;
}

int PlanBalance::run() {
  const LoadMatrix loads = read_loads(loads_, step_);
  const i64 experts = std::ssize(loads.front());
  plan::PlacementShape shape{
      .replicas = replicas_, .groups = groups_, .nodes = nodes_, .gpus = gpus_};
  if (shape.replicas == 0) shape.replicas = round_up(experts, gpus_);
  std::string problem = plan::placement_problem(experts, shape);
  if (problem.empty() && gpus_ % nodes_ != 0) {  // of no use to a global placement, but a mistake
    problem = fmt::format("nodes: found {}, expected a divisor of gpus = {}", nodes_, gpus_);
  }
  if (!problem.empty()) throw Error(ErrorCode::kInvalidInput, loads_ + ": " + problem);
  std::vector<LayerBalance> layers;
  for (const std::vector<i64>& load : loads) layers.push_back(balance_layer(load, shape, active_));
  if (before_.empty() && before_step_ > 0) before_ = loads_;
  const bool moves = !before_.empty();
  if (moves) {
    const LoadMatrix earlier = read_earlier(loads);
    for (size_t l = 0; l < loads.size(); ++l) move_from(earlier[l], loads[l], shape, layers[l]);
  }
  if (json_) {
    print_json(layers, moves);
    return kExitOk;
  }
  print_text(layers, shape);
  if (moves) print_moves(layers, shape);
  return kExitOk;
}

}  // namespace fathom::cli
