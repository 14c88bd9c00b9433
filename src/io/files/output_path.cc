#include "io/files/output_path.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "base/checked_math.h"
#include "base/error.h"
#include "base/text.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

/// `path` or the nearest parent that exists.
fs::path nearest_existing(const fs::path& path) {
  std::error_code error;
  fs::path at = fs::absolute(path, error);
  while (!fs::exists(at, error) && at.has_parent_path() && at != at.parent_path()) {
    at = at.parent_path();
  }
  return at;
}

[[noreturn]] void refuse(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::kInvalidInput, fmt::format("{}: cannot be made: {}", path.string(), why));
}

void require_writable(const fs::path& directory, const fs::path& for_path) {
  std::error_code ignored;
  if (!fs::is_directory(directory, ignored)) {
    refuse(for_path, fmt::format("{} is no directory", directory.string()));
  }
  if (::access(directory.c_str(), W_OK | X_OK) != 0) {
    refuse(for_path, fmt::format("{}: {}", directory.string(), std::strerror(errno)));
  }
}

}  // namespace

void require_output_file(const fs::path& path) {
  if (!path.has_filename()) refuse(path, "it names no file");
  std::error_code ignored;
  const fs::file_status status = fs::status(path, ignored);
  if (fs::is_directory(status)) refuse(path, "it is a directory");
  if (fs::exists(status) && !fs::is_regular_file(status)) refuse(path, "it is no regular file");
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::exists(parent, ignored)) {
    refuse(path, fmt::format("there is no directory {}", parent.string()));
  }
  require_writable(parent, path);
}

void require_output_directory(const fs::path& path) {
  if (path.empty()) refuse(path, "the name is empty");
  require_writable(nearest_existing(path), path);
}

i64 free_space_bytes(const fs::path& path) {
  struct statvfs status = {};
  if (::statvfs(nearest_existing(path).c_str(), &status) != 0) {
    return std::numeric_limits<i64>::max();
  }
  return checked_mul(static_cast<i64>(status.f_bavail), static_cast<i64>(status.f_frsize))
      .value_or(std::numeric_limits<i64>::max());
}

void require_free_space(const fs::path& path, i64 needed_bytes) {
  const i64 free_bytes = free_space_bytes(path);
  if (needed_bytes <= free_bytes) return;
  throw Error(ErrorCode::kIo,
              fmt::format("{}: no space: {} are to be written, its file system has {} free",
                          path.string(), format_bytes(needed_bytes), format_bytes(free_bytes)));
}

}  // namespace fathom::io
