#pragma once
// What a process that serves does before it does.
#include <string>
#include <vector>

#include "base/log.h"

namespace fathom::cli {

/// Thousands of connections need as many files.
void raise_file_limit();
/// "NAME=value" each.
std::vector<std::string> environment_entries();
/// The configuration's, unless --verbose or --quiet, which stand above it, were given: then true.
bool set_log_level(log::Level level);

}  // namespace fathom::cli
