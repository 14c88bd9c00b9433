#pragma once
// What can be wrong with a task file beyond the types of its keys. Internal to task/.
#include <string>

#include "eval/task/task_spec.h"

namespace fathom::eval {

/// `key` is "source.NAME" or "prompt.PRESET", which messages begin with.
void check_source(const std::string& key, const SourceSpec& source, Problems& problems);

/// Also refuses a key that changes nothing where it stands: whoever wrote it expects otherwise.
void check_prompt(const std::string& key, OutputKind output, const PromptSpec& prompt,
                  Problems& problems);

/// What is wrong with the number of samples for the metrics that are asked for; "" if nothing.
std::string check_samples(const PromptSpec& prompt);

}  // namespace fathom::eval
