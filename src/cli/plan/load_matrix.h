#pragma once
// Loads of experts as they were recorded.
#include <string>
#include <vector>

#include "base/types.h"

namespace fathom::cli {

/// [layer][expert]
using LoadMatrix = std::vector<std::vector<i64>>;

/// One of:
///   a run directory or its metrics.jsonl   expert counts of a step (0: the last that has them)
///   JSON                                   [[...], ...] or {"loads": [[...], ...]}
///   text                                   a line a layer: counts between spaces or commas
/// Throws Error that names file, layer and what was found: layers of different lengths, a count
/// that is negative or no whole number, nothing at all, a step of a file without steps.
LoadMatrix read_loads(const std::string& path, i64 step);

}  // namespace fathom::cli
