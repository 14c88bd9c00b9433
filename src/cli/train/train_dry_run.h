#pragma once
#include "train/run/setup.h"

namespace fathom::cli {

/// `fathom train --dry-run`: what the run would be and cost, from the run file and the config
/// alone, with the time that it takes at this machine's measured product peak. No text or weight is
/// read.
void print_dry_run(const train::RunSetup& setup, bool json);

}  // namespace fathom::cli
