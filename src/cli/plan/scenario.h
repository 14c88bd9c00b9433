#pragma once
// What every plan is about: a cluster, a layout of a run over it, and edits of both.
#include <string>
#include <vector>

#include "cli/arguments/arguments.h"
#include "config/model/model_config.h"
#include "plan/layout/layout.h"

namespace fathom::cli {

/// The tables of a cluster file, and [layout] beside them: the keys that --if may name.
struct Scenario {
  plan::Cluster cluster;
  plan::Layout layout;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

struct ScenarioOptions {
  std::string cluster;
  std::string layout;  // a file
  std::vector<std::string> edits;
};

void add_cluster_options(Arguments& command, ScenarioOptions& options);
void add_layout_option(Arguments& command, ScenarioOptions& options);

/// A file, or the name of a shipped one: its text and how messages call it. Throws Error
/// (kNotFound) that lists the shipped names.
struct ClusterText {
  std::string text;
  std::string where;
};
ClusterText cluster_text(const std::string& name);

/// Layout file first, then cluster file, then edits. `initial` is what a run file says.
Scenario load_scenario(const ScenarioOptions& options, const plan::Layout& initial = {});

/// Throws Error where the machine file is a node without accelerators, which `what` says nothing
/// of.
void require_gpus(const Scenario& scenario, const ScenarioOptions& options, std::string_view what);

struct PlannedRun {
  plan::TrainingRun run;
  plan::Layout layout;  // precision, recompute and micro-batch as the run file has them
  ModelConfig model;
};
/// A run file of `fathom train`. Throws Error.
PlannedRun load_planned_run(const std::string& path, const std::vector<std::string>& settings);

}  // namespace fathom::cli
