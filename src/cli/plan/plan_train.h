#pragma once
#include <string>
#include <vector>

#include "cli/plan/scenario.h"
#include "cli/plan/simulation.h"

namespace fathom::cli {

/// fathom plan train RUN.toml --cluster C
class PlanTrain {
 public:
  void add(Arguments& parent);
  bool chosen() const { return command_.chosen(); }
  int run();

 private:
  Arguments command_;
  ScenarioOptions scenario_;
  void print(const Scenario& scenario, const PlannedRun& planned,
             const plan::TrainingPlan& plan) const;
  void write_page(const Scenario& scenario, const PlannedRun& planned,
                  const plan::TrainingPlan& plan) const;

  SimulationOptions simulation_;
  std::string run_file_, explain_, page_;
  std::vector<std::string> settings_;
  bool json_ = false;
};

}  // namespace fathom::cli
