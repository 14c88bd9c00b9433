#include "io/files/private_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"
#include "io/files/directories.h"
#include "io/files/temporary_files.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kOthers = 0077;

void make_private(const fs::path& path) {
  make_directories(path.parent_path());
  if (::mkdir(path.c_str(), 0700) == 0) {
    flush_directory(path.parent_path());
  } else if (errno != EEXIST) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: cannot create: {}", path.string(), std::strerror(errno)));
  }
}

void require_private(const fs::path& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    throw Error(ErrorCode::kIo,
                fmt::format("{}: cannot stat: {}", path.string(), std::strerror(errno)));
  }
  const auto refuse = [&](const std::string& reason) {
    throw Error(ErrorCode::kInvalidInput, fmt::format("{}: {}", path.string(), reason));
  };
  if (!S_ISDIR(status.st_mode)) refuse("is no directory");
  if (status.st_uid != ::geteuid()) {
    refuse(fmt::format("belongs to user {}, expected one of user {}'s own", status.st_uid,
                       ::geteuid()));
  }
  if ((status.st_mode & kOthers) != 0) {
    refuse(
        fmt::format("has mode {:04o}, so that other users may enter it; expected 0700 (chmod 700)",
                    status.st_mode & 07777u));
  }
}

}  // namespace

PrivateDirectory::PrivateDirectory(fs::path path)
    : path_(path.has_filename() ? std::move(path) : path.parent_path()) {
  make_private(path_);
  require_private(path_);
  lock_ = lock_directory(path_);
  if (lock_ < 0) {
    const int code = errno;
    throw Error(ErrorCode::kIo,
                code == EWOULDBLOCK
                    ? fmt::format("{}: another process uses this directory", path_.string())
                    : fmt::format("{}: cannot open: {}", path_.string(), std::strerror(code)));
  }
  remove_stale_temporaries(path_);
}

PrivateDirectory::~PrivateDirectory() { ::close(lock_); }

}  // namespace fathom::io
