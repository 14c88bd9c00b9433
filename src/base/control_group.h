#pragma once
// What the control group of this process (a container, a systemd unit, a batch job) allows, under
// Linux's cgroup v1 and v2.
#include <filesystem>
#include <optional>
#include <vector>

namespace fathom {

/// A directory with a controller's files.
struct ControlGroup {
  std::filesystem::path path;
  bool v2 = false;  // files are called as in cgroup v2
};

/// The groups of this process that have `controller` ("cpu", "memory"), its own first and the
/// outermost that it can see last: each of them limits it. Read from proc/self/cgroup and
/// proc/self/mountinfo below `root`, another root directory in tests. Empty without control groups.
std::vector<ControlGroup> control_groups(const char* controller,
                                         const std::filesystem::path& root = "/");

/// CPUs' worth of time that the groups grant, the smallest limit of all: 0.5 is half a CPU. nullopt
/// without a limit.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// Threads that may run at once: `cpus`, or what the quota rounded up allows if that is less. More
/// would use it up together and then stand still together, each waiting for the others' parts.
int threads_within_quota(int cpus, std::optional<double> quota);

}  // namespace fathom
