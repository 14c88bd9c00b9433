#include "base/control_group.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

namespace fathom {
namespace {

namespace fs = std::filesystem;

/// One of a comma-separated list: "cpu,cpuacct".
bool lists(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const size_t comma = std::min(list.find(','), list.size());
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

/// Mountinfo writes spaces and the like as \040.
std::string unescaped(std::string_view text) {
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool octal = text[i] == '\\' && text.size() - i > 3;
    result += octal ? static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                                        (text[i + 3] - '0'))
                    : text[i];
    if (octal) i += 3;
  }
  return result;
}

/// Where a hierarchy is mounted, and which of its groups is seen there as the root.
struct Mount {
  fs::path point;
  std::string root;
};

/// A line of mountinfo: "36 35 98:0 ROOT POINT OPTIONS ... - TYPE SOURCE SUPER_OPTIONS".
std::optional<Mount> find_mount(const fs::path& root, const char* controller, bool v2) {
  std::ifstream file(root / "proc/self/mountinfo");
  std::string line;
  while (std::getline(file, line)) {
    const size_t separator = line.find(" - ");
    if (separator == line.npos) continue;
    std::istringstream before(line.substr(0, separator)), after(line.substr(separator + 3));
    std::string id, parent, device, group, point, type, source, options;
    before >> id >> parent >> device >> group >> point;
    after >> type >> source >> options;
    if (v2 ? type != "cgroup2" : type != "cgroup" || !lists(options, controller)) continue;
    return Mount{root / fs::path(unescaped(point)).relative_path(), unescaped(group)};
  }
  return std::nullopt;
}

/// The process's group in the hierarchy, from lines "4:cpu,cpuacct:/PATH" (v1) and "0::/PATH" (v2).
std::optional<std::string> own_group(const fs::path& root, const char* controller, bool v2) {
  std::ifstream file(root / "proc/self/cgroup");
  std::string line;
  while (std::getline(file, line)) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) continue;
    const std::string_view names = std::string_view(line).substr(first + 1, second - first - 1);
    if (v2 ? names.empty() : lists(names, controller)) return line.substr(second + 1);
  }
  return std::nullopt;
}

/// `group` as seen from the mount: relative to the group that is mounted. A group outside of it (a
/// container that sees its host's names) is the mounted one itself.
fs::path below_mount(const Mount& mount, const std::string& group) {
  const std::string prefix = mount.root == "/" ? "" : mount.root;
  const bool inside = group.starts_with(prefix) && group.find("/..") == group.npos &&
                      (group.size() == prefix.size() || group[prefix.size()] == '/');
  return inside ? fs::path(group.substr(prefix.size())).relative_path() : fs::path();
}

void append_groups(const fs::path& root, const char* controller, bool v2,
                   std::vector<ControlGroup>& groups) {
  const auto mount = find_mount(root, controller, v2);
  const auto group = own_group(root, controller, v2);
  if (!mount || !group) return;
  fs::path below = below_mount(*mount, *group);
  std::error_code ignored;
  if (!fs::exists(mount->point / below, ignored)) below.clear();
  for (;; below = below.parent_path()) {
    groups.push_back({.path = below.empty() ? mount->point : mount->point / below, .v2 = v2});
    if (below.empty()) return;
  }
}

/// The first `count` numbers of a file; nullopt if it has fewer ("max" is none).
std::optional<std::vector<double>> numbers_of(const fs::path& path, size_t count) {
  std::ifstream file(path);
  std::vector<double> numbers(count);
  for (double& number : numbers) {
    if (!(file >> number)) return std::nullopt;
  }
  return numbers;
}

/// Quota and period in microseconds; a v1 group without a limit has the quota -1.
std::optional<double> quota_of(const ControlGroup& group) {
  auto both = group.v2 ? numbers_of(group.path / "cpu.max", 2)
                       : numbers_of(group.path / "cpu.cfs_quota_us", 1);
  if (!both) return std::nullopt;
  if (!group.v2) {
    const auto period = numbers_of(group.path / "cpu.cfs_period_us", 1);
    if (!period) return std::nullopt;
    both->push_back(period->front());
  }
  const double quota = both->front(), period = both->back();
  return quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

}  // namespace

std::vector<ControlGroup> control_groups(const char* controller, const fs::path& root) {
  std::vector<ControlGroup> groups;
  append_groups(root, controller, /*v2=*/true, groups);
  append_groups(root, controller, /*v2=*/false, groups);
  return groups;
}

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> smallest;
  for (const ControlGroup& group : control_groups("cpu", root)) {
    const auto quota = quota_of(group);
    if (quota && (!smallest || *quota < *smallest)) smallest = quota;
  }
  return smallest;
}

int threads_within_quota(int cpus, std::optional<double> quota) {
  if (!quota || *quota >= cpus) return std::max(1, cpus);
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

}  // namespace fathom
