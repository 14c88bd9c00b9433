#pragma once
// The [eval] section of a run file: benchmarks that are put to the model on the way.
#include <string>
#include <vector>

#include "base/types.h"
#include "config/field_list.h"

namespace fathom {

struct EvalConfig {
  std::vector<std::string> tasks;
  std::string data = ".";
  std::string preset = "lm-eval";
  i64 every = 0;
  i64 limit = 0;
  i64 shots = -1;

  void list_fields(FieldList& list);
  void check(const std::string& prefix, Problems& problems) const;
};

}  // namespace fathom
