#include "io/files/append_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace fathom::io {

AppendFile::AppendFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: a pipe without a reader is refused below instead of waited for.
  fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  if (fd_ < 0) refuse("open for writing", errno);
  struct stat status = {};
  if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd_);
    throw Error(ErrorCode::kInvalidInput,
                fmt::format("{}: exists and is no regular file", path_.string()));
  }
  end_ = status.st_size;
}

AppendFile::~AppendFile() { ::close(fd_); }

void AppendFile::refuse(std::string_view action, int code) const {
  throw Error(ErrorCode::kIo,
              fmt::format("{}: cannot {}: {}", path_.string(), action, std::strerror(code)));
}

void AppendFile::append(std::string_view record) {
  i64 at = end_;
  while (!record.empty()) {
    const ssize_t written = ::pwrite(fd_, record.data(), record.size(), at);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int code = written < 0 ? errno : EIO;
      // Best effort: if this fails too, the next append still begins at end_.
      [[maybe_unused]] const int ignored = ::ftruncate(fd_, end_);
      refuse("write", code);
    }
    record.remove_prefix(static_cast<size_t>(written));
    at += written;
  }
  end_ = at;
}

void AppendFile::truncate(i64 size_bytes) {
  if (size_bytes >= end_) return;
  if (::ftruncate(fd_, size_bytes) != 0) refuse("shorten", errno);
  end_ = size_bytes;
}

void AppendFile::flush() {
  if (::fdatasync(fd_) != 0) refuse("flush", errno);
}

}  // namespace fathom::io
