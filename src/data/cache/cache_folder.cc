#include "data/cache/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <vector>

#include "base/log.h"
#include "data/cache/cache_manifest.h"
#include "io/files/temporary_files.h"

namespace fathom::data {
namespace {

namespace fs = std::filesystem;

int open_folder(const fs::path& folder) {
  return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

}  // namespace

std::optional<FolderLock> FolderLock::wait(const fs::path& folder, const std::string& what,
                                           const std::function<bool()>& stopped) {
  FolderLock lock(open_folder(folder));
  const auto is_taken = [&lock] {
    return lock.fd_ >= 0 && ::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  };
  if (!is_taken()) return lock;
  log::info("{}; waiting", what);
  do {
    if (stopped && stopped()) return std::nullopt;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  } while (is_taken());
  return lock;
}

std::optional<FolderLock> FolderLock::try_now(const fs::path& folder) {
  FolderLock lock(open_folder(folder));
  if (lock.fd_ < 0) return std::nullopt;
  if (::flock(lock.fd_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return std::nullopt;
  return lock;
}

FolderLock::~FolderLock() {
  if (fd_ >= 0) ::close(fd_);
}

void remove_tokens(const fs::path& folder) {
  std::error_code ignored;
  fs::remove(manifest_path(folder), ignored);  // from here on it is incomplete
  std::vector<fs::path> ours;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    if (name.starts_with("tokens-") || name.starts_with("documents.bin") ||
        name.starts_with("manifest.json")) {
      ours.push_back(it->path());
    }
  }
  for (const fs::path& path : ours) fs::remove(path, ignored);
}

void remove_stale_files(const fs::path& cache) {
  io::remove_stale_temporaries(cache);
  std::error_code ignored;
  for (fs::directory_iterator it(cache, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    const std::string name = it->path().filename().string();
    const bool is_key = name.size() == 2 * sizeof(io::Hash128) &&
                        name.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (is_key) io::remove_stale_temporaries(it->path());
  }
}

void remove_cache_folder(const fs::path& folder) {
  const auto lock = FolderLock::try_now(folder);
  if (!lock) return;
  remove_tokens(folder);
  std::error_code ignored;
  fs::remove(folder, ignored);  // fails if anything is left in it
}

}  // namespace fathom::data
