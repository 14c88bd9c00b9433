#pragma once
#include <string>
#include <vector>

#include "cli/plan/scenario.h"

namespace fathom::cli {

/// fathom plan train on a node without accelerators: the memory is what the trainer itself
/// allocates (its own walk over the layers), the time its arithmetic at the machine file's speed.
void print_cpu_training(const plan::Cluster& cluster, const std::string& run_file,
                        const std::vector<std::string>& settings, bool json);

}  // namespace fathom::cli
