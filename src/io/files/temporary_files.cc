#include "io/files/temporary_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/types.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kMark = ".tmp-";

/// Of "NAME.tmp-PID-N"; the last mark counts.
struct TemporaryName {
  std::string_view target;
  pid_t pid = 0;
};

std::optional<TemporaryName> parse(std::string_view name) {
  const size_t mark = name.rfind(kMark);
  if (mark == std::string_view::npos || mark == 0) return std::nullopt;
  const char* at = name.data() + mark + kMark.size();
  const char* const end = name.data() + name.size();
  TemporaryName result = {name.substr(0, mark), 0};
  const auto pid = std::from_chars(at, end, result.pid);
  if (pid.ec != std::errc() || pid.ptr == end || *pid.ptr != '-') return std::nullopt;
  u64 number = 0;
  const auto last = std::from_chars(pid.ptr + 1, end, number);
  if (last.ec != std::errc() || last.ptr != end) return std::nullopt;
  return result;
}

/// Seconds since the epoch, to about one; nothing if it cannot be told.
std::optional<i64> start_of_process(pid_t pid) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const size_t name_end = text.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  i64 ticks_after_boot = 0;
  if (!(fields >> ticks_after_boot)) return std::nullopt;
  timespec now = {}, since_boot = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  return now.tv_sec - since_boot.tv_sec + ticks_after_boot / ::sysconf(_SC_CLK_TCK);
}

/// Whether a process of that number runs here that may have made the file: numbers are used again,
/// by processes that began after the file was last written. Our own files hold their lock.
bool may_be_alive(pid_t pid, const struct stat& file) {
  constexpr i64 kRoundingS = 2;
  if (pid == ::getpid() || (::kill(pid, 0) != 0 && errno == ESRCH)) return false;
  const auto started = start_of_process(pid);
  return !started || *started <= i64{file.st_mtim.tv_sec} + kRoundingS;
}

void remove_if_stale(const fs::path& path, pid_t pid) {
  const int fd = ::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return;
  struct stat status = {};
  if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && !may_be_alive(pid, status) &&
      ::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    ::unlink(path.c_str());
  }
  ::close(fd);
}

}  // namespace

std::string temporary_name(const fs::path& path) {
  static std::atomic<u64> next = 0;
  return fmt::format("{}{}{}-{}", path.string(), kMark, ::getpid(), next++);
}

int create_temporary(const fs::path& name, mode_t mode) {
  const int fd = ::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (fd < 0) return -1;
  // Whoever cleans up may have come in between; then the name is as good as taken.
  struct stat status = {};
  const bool contested = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  if (contested || (::fstat(fd, &status) == 0 && status.st_nlink == 0)) {
    ::close(fd);
    errno = EEXIST;
    return -1;
  }
  return fd;
}

void remove_stale_temporaries(const fs::path& folder, std::string_view target) {
  std::error_code error;
  std::vector<fs::path> found;
  for (fs::directory_iterator it(folder.empty() ? "." : folder, error), end; !error && it != end;
       it.increment(error)) {
    found.push_back(it->path());
  }
  for (const fs::path& path : found) {
    const std::string name = path.filename().string();
    const auto temporary = parse(name);
    if (temporary && (target.empty() || target == temporary->target)) {
      remove_if_stale(path, temporary->pid);
    }
  }
}

}  // namespace fathom::io
