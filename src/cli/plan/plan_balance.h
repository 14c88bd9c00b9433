#pragma once
#include <string>
#include <vector>

#include "base/types.h"
#include "cli/arguments/arguments.h"
#include "cli/plan/load_matrix.h"

namespace fathom::cli {

/// fathom plan balance LOADS: what placing and dealing out experts by their loads would bring.
class PlanBalance {
 public:
  void add(Arguments& parent);
  bool chosen() const { return command_.chosen(); }
  int run();

 private:
  LoadMatrix read_earlier(const LoadMatrix& loads) const;

  Arguments command_;
  std::string loads_, before_;
  i64 gpus_ = 8, nodes_ = 1, groups_ = 1, replicas_ = 0, active_ = 0, step_ = 0, before_step_ = 0;
  bool json_ = false;
};

}  // namespace fathom::cli
