#include "io/files/directories.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/error.h"

namespace fathom::io {

namespace fs = std::filesystem;

void make_directories(const fs::path& path) {
  // "a/b/" is "a/b": the path of its parent must be another.
  const fs::path directory = path.has_filename() ? path : path.parent_path();
  if (directory.empty() || fs::is_directory(directory)) return;
  make_directories(directory.parent_path());
  std::error_code code;
  fs::create_directory(directory, code);
  if (code) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: cannot create: {}", directory.string(), code.message()));
  }
  flush_directory(directory.parent_path());
}

void flush_directory(const fs::path& path) {
  const auto refuse = [&](int code) {
    throw Error(ErrorCode::kIo, fmt::format("{}: cannot flush the directory: {}", path.string(),
                                            std::strerror(code)));
  };
  const int fd = ::open(path.empty() ? "." : path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) refuse(errno);
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0 && code != EINVAL) refuse(code);
}

int lock_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return -1;
  const bool is_held = ::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  struct stat ours = {}, named = {};
  if (!is_held && ::fstat(fd, &ours) == 0 && ::stat(directory.c_str(), &named) == 0 &&
      ours.st_ino == named.st_ino) {
    return fd;
  }
  ::close(fd);
  errno = EWOULDBLOCK;
  return -1;
}

}  // namespace fathom::io
