#pragma once
// A preset that is another one but for what it says itself. Internal to task/.
#include <map>
#include <string>

#include "eval/task/task_spec.h"

namespace fathom::eval {

/// The preset `name` with the keys of the one that its `like` names, where it has none of its own.
/// kInvalidInput: there is no such preset, or it has a `like` too.
Result<PromptSpec> with_inherited(const std::map<std::string, PromptSpec>& prompts,
                                  const std::string& name);

}  // namespace fathom::eval
