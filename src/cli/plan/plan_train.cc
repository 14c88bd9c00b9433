#include "cli/plan/plan_train.h"

#include <fmt/format.h>

#include "base/error.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plan/training_text.h"
#include "plan/training/training_plan.h"

namespace fathom::cli {

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
  command_.add_flag("--json", json_, "Print the plan as JSON");
  command_.footer(
      "Without a layout, one pipeline rank and no expert parallelism; `fathom plan search` finds "
      "one.\n"
      "Example: fathom plan train configs/train/671b.toml --cluster h800 \\\n"
      "           --layout configs/layouts/deepseek-v3.toml --if sm_for_comm=0");
}

int PlanTrain::run() {
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
  if (!explain_.empty()) {
    out::write(explain_training(explain_, plan, scenario.cluster, planned.model));
  } else if (json_) {
    out::print("{}\n", io::write_json(training_json(plan), 2));
  } else {
    out::write(training_text(plan, scenario.cluster));
  }
  return kExitOk;
}

}  // namespace fathom::cli
