#include "cli/serve/process_setup.h"

#include <sys/resource.h>
#include <unistd.h>

namespace fathom::cli {

void raise_file_limit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::vector<std::string> environment_entries() {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
  return entries;
}

bool set_log_level(log::Level level) {
  const bool is_fixed = log::enabled(log::Level::kDebug) || !log::enabled(log::Level::kInfo);
  if (!is_fixed) log::set_level(level);
  return is_fixed;
}

}  // namespace fathom::cli
