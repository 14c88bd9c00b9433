#include "cli/plan/plan_train.h"

#include <fmt/format.h>

#include <optional>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plan/cpu_training.h"
#include "cli/plan/plan_page.h"
#include "cli/plan/training_text.h"
#include "io/files/atomic_file.h"
#include "io/files/output_path.h"
#include "plan/advice/advice.h"
#include "plan/training/training_plan.h"

namespace fathom::cli {
namespace {

/// Operations that a browser draws without stopping to think.
constexpr i64 kMostDrawn = 100'000;

}  // namespace

void PlanTrain::add(Arguments& parent) {
  command_ = parent.add_command("train", "Memory, time and cost of a training run");
  command_.add_option("run", run_file_, "Run file of fathom train (TOML)")
      .type_name("FILE")
      .required();
  add_cluster_options(command_, scenario_);
  add_layout_option(command_, scenario_);
  command_.add_option("--set", settings_, "Change a key of the run file; may be repeated")
      .type_name("SECTION.KEY=VALUE")
      .one_value_each();
  command_.add_option("--explain", explain_, "Print the formula of a row with its numbers")
      .type_name("ROW")
      .one_of(explained_rows());
  add_simulation_options(command_, simulation_);
  command_.add_option("--page", page_, "Also write one self-contained page").type_name("FILE");
  command_.add_flag("--json", json_, "Print the plan as JSON");
  command_.footer(
      "Without a layout, one pipeline rank and no expert parallelism; `fathom plan search` finds "
      "one.\n"
      "Example: fathom plan train configs/train/671b.toml --cluster h800 \\\n"
      "           --layout configs/layouts/deepseek-v3.toml --if sm_for_comm=0");
}

int PlanTrain::run() {
  for (const std::string* file : {&page_, &simulation_.trace}) {
    if (!file->empty()) io::require_output_file(*file);
  }
  if (const Scenario node = load_scenario(scenario_); node.cluster.is_cpu()) {
    if (!scenario_.layout.empty() || simulation_.simulate || !page_.empty() || !explain_.empty()) {
      throw Error(
          ErrorCode::kInvalidInput,
          "--layout, --simulate, --page and --explain are for clusters of GPUs; this machine "
          "file is of a node without");
    }
    print_cpu_training(node.cluster, run_file_, settings_, json_);
    return kExitOk;
  }
  const PlannedRun planned = load_planned_run(run_file_, settings_);
  const Scenario scenario = load_scenario(scenario_, planned.layout);
  const plan::TrainingPlan plan =
      plan_training(scenario.cluster, planned.model, scenario.layout, planned.run);
  if (!plan.problems.empty()) {
    std::string text = "layout: ";
    for (size_t i = 0; i < plan.problems.size(); ++i) {
      text += (i > 0 ? "; " : "") + plan.problems[i];
    }
    throw Error(ErrorCode::kInvalidInput, text);
  }
  if (const i64 drawn = num_operations(plan.schedule); !page_.empty() && drawn > kMostDrawn) {
    throw Error(
        ErrorCode::kInvalidInput,
        fmt::format("--page: the step has {} operations, expected at most {}", drawn, kMostDrawn));
  }
  print(scenario, planned, plan);
  if (!page_.empty()) write_page(scenario, planned, plan);
  return kExitOk;
}

void PlanTrain::print(const Scenario& scenario, const PlannedRun& planned,
                      const plan::TrainingPlan& plan) const {
  if (!explain_.empty()) {
    out::write(explain_training(explain_, plan, scenario.cluster, planned.model));
    return;
  }
  std::optional<Simulation> simulation;
  if (simulation_.simulate) {
    simulation = simulate(scenario.cluster, plan, planned.model.hidden_size, simulation_,
                          !simulation_.trace.empty());
  }
  if (json_) {
    io::JsonObject object = training_json(plan);
    if (simulation) object.set("simulation", simulation_json(*simulation));
    out::print("{}\n", io::write_json(std::move(object), 2));
  } else {
    out::write(training_text(plan, scenario.cluster));
    if (simulation) out::write(simulation_text(*simulation, plan));
  }
  if (!simulation_.trace.empty()) {
    io::write_file_atomically(simulation_.trace, chrome_trace(simulation->step));
  }
}

void PlanTrain::write_page(const Scenario& scenario, const PlannedRun& planned,
                           const plan::TrainingPlan& plan) const {
  const auto advice = value_or_throw(
      plan::evaluate_advice(scenario.cluster, planned.model, scenario.layout, planned.run));
  io::write_file_atomically(page_, plan_page(plan, scenario.cluster, planned.model, advice));
}

}  // namespace fathom::cli
