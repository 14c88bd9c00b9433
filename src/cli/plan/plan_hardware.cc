#include "cli/plan/plan_hardware.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"
#include "cli/arguments/value_check.h"
#include "cli/command.h"
#include "cli/output.h"
#include "cli/plan/training_text.h"
#include "io/json.h"
#include "plan/advice/advice.h"
#include "plan/training/search.h"

namespace fathom::cli {
namespace {

void add_run_options(Arguments& command, std::string& run_file,
                     std::vector<std::string>& settings) {
  command.add_option("run", run_file, "Run file of fathom train (TOML)")
      .type_name("FILE")
      .required();
  command.add_option("--set", settings, "Change a key of the run file; may be repeated")
      .type_name("SECTION.KEY=VALUE")
      .one_value_each();
}

std::string signed_percent(double share) { return fmt::format("{:+.1f} %", share * 100.0); }

void print_results(const std::vector<plan::AdviceResult>& results) {
  out::print("{:<34} {:>8} {:>10} {:>9} {:>18}  bound by\n", "", "step s", "tokens/s", "gain",
             "range");
  for (const plan::AdviceResult& r : results) {
    const bool base = r.advice.edits.empty();
    out::print("{:<34} {:>8.2f} {:>10.0f} {:>9} {:>18}  {}\n", r.advice.name, r.step.value,
               r.tokens_per_s_per_gpu, base ? "" : signed_percent(r.gain),
               base ? "" : fmt::format("{} to {}", signed_percent(r.least), signed_percent(r.most)),
               r.bottleneck);
    if (base) continue;
    out::print("    {}\n    --if {}\n", r.advice.mechanism, fmt::join(r.advice.edits, " --if "));
    if (!r.advice.accuracy.empty()) out::print("    accuracy: {}\n", r.advice.accuracy);
  }
  out::print("range: the machine's constants of one kind all 10 % faster or slower\n");
}

void print_results_json(const std::vector<plan::AdviceResult>& results) {
  io::JsonArray rows;
  for (const plan::AdviceResult& r : results) {
    io::JsonObject row;
    row.set("name", r.advice.name);
    row.set("mechanism", r.advice.mechanism);
    row.set("edits", io::JsonArray(r.advice.edits.begin(), r.advice.edits.end()));
    row.set("accuracy", r.advice.accuracy);
    row.set("step_s", r.step.value);
    row.set("tokens_per_s_per_gpu", r.tokens_per_s_per_gpu);
    row.set("gain", r.gain);
    row.set("least_gain", r.least);
    row.set("most_gain", r.most);
    row.set("bottleneck", r.bottleneck);
    rows.emplace_back(std::move(row));
  }
  out::print("{}\n", io::write_json(std::move(rows), 2));
}

}  // namespace

void PlanHardware::add(Arguments& parent) {
  command_ = parent.add_command("hardware", "What each advice to hardware makers would bring");
  add_run_options(command_, run_file_, settings_);
  add_cluster_options(command_, scenario_);
  add_layout_option(command_, scenario_);
  command_.add_flag("--json", json_, "Print the table as JSON");
  command_.footer(
      "Every row is an edit of the machine file: try others with fathom plan train --if.\n"
      "Example: fathom plan hardware configs/train/671b.toml --cluster h800 \\\n"
      "           --layout configs/layouts/deepseek-v3.toml");
}

int PlanHardware::run() {
  const PlannedRun planned = load_planned_run(run_file_, settings_);
  const Scenario scenario = load_scenario(scenario_, planned.layout);
  require_gpus(scenario, scenario_, "the advice is about theirs");
  const auto results = value_or_throw(
      plan::evaluate_advice(scenario.cluster, planned.model, scenario.layout, planned.run));
  if (json_) {
    print_results_json(results);
  } else {
    print_results(results);
  }
  return kExitOk;
}

void PlanSearch::add(Arguments& parent) {
  command_ = parent.add_command("search", "The fastest layouts of a run that fit");
  add_run_options(command_, run_file_, settings_);
  add_cluster_options(command_, scenario_);
  command_.add_option("--keep", keep_, "So many layouts")
      .check(integer_between(1, 1000))
      .show_default();
  command_.add_flag("--json", json_, "Print the plans as JSON");
  command_.footer("Example: fathom plan search configs/train/671b.toml --cluster h800");
}

int PlanSearch::run() {
  const PlannedRun planned = load_planned_run(run_file_, settings_);
  const Scenario scenario = load_scenario(scenario_, planned.layout);
  require_gpus(scenario, scenario_, "layouts divide a run among them");
  const plan::SearchResult found =
      plan::search_layouts(scenario.cluster, planned.model, scenario.layout, planned.run, keep_);
  if (found.best.empty()) {
    throw Error(ErrorCode::kInvalidInput, "no layout of this run fits on this cluster");
  }
  if (json_) {
    io::JsonArray rows;
    for (const plan::TrainingPlan& p : found.best) rows.emplace_back(training_json(p));
    out::print("{}\n", io::write_json(std::move(rows), 2));
    return kExitOk;
  }
  out::print("{} layouts, the fastest that fit ({} faster ones need more memory):\n",
             found.considered, found.too_large);
  out::print("  {:>4} {:>4} {:>3} {:>12} {:>6} {:>9} {:>9} {:>9} {:>9}\n", "PP", "EP", "TP",
             "schedule", "micro", "recompute", "memory GB", "step s", "tokens/s");
  for (const plan::TrainingPlan& p : found.best) {
    const plan::Layout& l = p.layout;
    const std::string schedule =
        l.schedule == plan::ScheduleKind::kInterleaved
            ? fmt::format("{} x {}", to_string(l.schedule), l.chunks_per_rank)
            : std::string(to_string(l.schedule));
    out::print("  {:>4} {:>4} {:>3} {:>12} {:>6} {:>9} {:>9.1f} {:>9.2f} {:>9.0f}\n",
               l.pipeline_ranks, l.expert_ranks, l.tensor_ranks, schedule, l.micro_batch_sequences,
               plan::kRecomputeNames[static_cast<size_t>(l.recompute)].second,
               largest(p.memory).total().value / 1e9, p.step.value, p.tokens_per_s_per_gpu());
  }
  return kExitOk;
}

}  // namespace fathom::cli
