#pragma once
#include <string>
#include <vector>

#include "cli/plan/scenario.h"

namespace fathom::cli {

/// fathom plan hardware RUN.toml --cluster C: what each advice to hardware makers would bring.
class PlanHardware {
 public:
  void add(Arguments& parent);
  bool chosen() const { return command_.chosen(); }
  int run();

 private:
  Arguments command_;
  ScenarioOptions scenario_;
  std::string run_file_;
  std::vector<std::string> settings_;
  bool json_ = false;
};

/// fathom plan search RUN.toml --cluster C: the fastest layouts that fit.
class PlanSearch {
 public:
  void add(Arguments& parent);
  bool chosen() const { return command_.chosen(); }
  int run();

 private:
  Arguments command_;
  ScenarioOptions scenario_;
  std::string run_file_;
  std::vector<std::string> settings_;
  i64 keep_ = 10;
  bool json_ = false;
};

}  // namespace fathom::cli
