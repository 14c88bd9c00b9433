#include "config/run/eval_config.h"

#include <fmt/format.h>

namespace fathom {

void EvalConfig::list_fields(FieldList& list) {
  list.add("tasks", tasks,
           "benchmarks put to the model on the way: names that `fathom eval --list` shows, or task "
           "files; empty: none");
  list.add("data", data, "directory of the sets' published files");
  list.add("preset", preset, "whose prompts: lm-eval, v3 or another that the task has");
  list.add("every", every, "steps between them; 0: at the end only", {.min = 0});
  list.add("limit", limit, "at most so many items of each task, from its beginning; 0: all",
           {.min = 0});
  list.add("shots", shots, "examples before each item; -1: as many as the task says", {.min = -1});
}

void EvalConfig::check(const std::string& prefix, Problems& problems) const {
  if (!tasks.empty() || every == 0) return;
  problems.invalid(prefix + "every", fmt::format("{} has no effect: tasks names none", every));
}

}  // namespace fathom
