#pragma once
#include <span>
#include <string>

#include "eval/result/stored_run.h"

namespace fathom::eval {

/// One self-contained page of one run, or of two on the same items: metrics with their intervals
/// and the line of guessing, and a browser of the first items of each task.
std::string results_page(std::span<const StoredRun> runs, double generated);

}  // namespace fathom::eval
