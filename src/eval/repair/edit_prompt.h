#pragma once
// How a model is told about files and edits. Internal to repair/.
#include <string>
#include <vector>

#include "eval/repair/edit_blocks.h"

namespace fathom::eval {

/// The form of a block, by an example.
std::string edit_instructions();
/// Each file under its path, between fences.
std::string shown_files(const Files& files);
std::vector<std::string> paths_of(const Files& files);
/// Why an answer's edits were not all applied; "": they were, or there were none to apply.
std::string problem_of(const EditOutcome& outcome);

}  // namespace fathom::eval
