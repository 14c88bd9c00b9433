#include "io/files/atomic_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "io/files/directories.h"

namespace fathom::io {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, std::string_view action, const std::string& reason) {
  throw Error(ErrorCode::kIo, fmt::format("{}: cannot {}: {}", path.string(), action, reason));
}

/// `from` gets the name `to`; a directory that is there gets the name `from`.
void exchange(const fs::path& from, const fs::path& to) {
  if (::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) {
    refuse(to, "replace", std::strerror(errno));
  }
  // A file system that cannot exchange: for a moment there is neither, and a crash in it leaves the
  // new one under its temporary name.
  std::error_code code;
  fs::remove_all(to, code);
  if (!code) fs::rename(from, to, code);
  if (code) refuse(to, "replace", code.message());
}

}  // namespace

AtomicDirectory::AtomicDirectory(fs::path final_path, IfDirectoryExists if_exists)
    : final_(std::move(final_path)), if_exists_(if_exists) {
  FATHOM_CHECK(final_.has_filename(), final_.string(), " has no name");
  temporary_ = final_.parent_path() / fmt::format(".{}.tmp", final_.filename().string());
  constexpr const char* kTaken = "another process is writing it";
  std::error_code code;
  const int left = lock_directory(temporary_);
  if (left < 0 && errno == EWOULDBLOCK) refuse(final_, "write", kTaken);
  if (left >= 0 || errno != ENOENT) fs::remove_all(temporary_, code);
  if (left >= 0) ::close(left);
  if (code) refuse(temporary_, "remove", code.message());
  make_directories(final_.parent_path());
  // Whoever makes it has it, also where two begin at once.
  if (::mkdir(temporary_.c_str(), 0777) != 0) {
    if (errno == EEXIST) refuse(final_, "write", kTaken);
    refuse(temporary_, "create", std::strerror(errno));
  }
  lock_ = lock_directory(temporary_);
  if (lock_ < 0)
    refuse(final_, "write", kTaken);  // taken for a dead process's before it was locked
}

AtomicDirectory::~AtomicDirectory() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
  if (lock_ >= 0) ::close(lock_);
}

void AtomicDirectory::commit() {
  flush_directory(temporary_);
  std::error_code code;
  if (if_exists_ == IfDirectoryExists::kReplace && fs::exists(final_)) {
    exchange(temporary_, final_);
  } else {
    fs::rename(temporary_, final_, code);
    if (code) refuse(final_, "rename to", code.message());
  }
  committed_ = true;
  flush_directory(final_.parent_path());
  fs::remove_all(temporary_, code);  // what was replaced, if anything
}

}  // namespace fathom::io
