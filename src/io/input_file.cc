#include "io/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace fathom::io {
namespace {

tl::unexpected<Error> refused(const std::filesystem::path& path, const char* action, int code) {
  return fail(code == ENOENT || code == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo,
              fmt::format("{}: cannot {}: {}", path.string(), action, std::strerror(code)));
}

}  // namespace

bool is_there(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

Result<InputFile> InputFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a pipe must not wait for its writer; it is refused below.
  InputFile file(path, ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.fd_ < 0) return refused(path, "open", errno);
  struct stat status = {};
  if (::fstat(file.fd_, &status) != 0) return refused(path, "stat", errno);
  if (!S_ISREG(status.st_mode)) {
    return invalid_input(fmt::format("{}: expected a regular file, found {}", path.string(),
                                     S_ISDIR(status.st_mode) ? "a directory" : "a special file"));
  }
  file.size_bytes_ = status.st_size;
  return file;
}

InputFile::~InputFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<i64> InputFile::read_at(i64 offset, std::span<u8> bytes) const {
  size_t length = 0;
  while (length < bytes.size()) {
    const ssize_t got = ::pread(fd_, bytes.data() + length, bytes.size() - length,
                                offset + static_cast<i64>(length));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return refused(path_, "read", errno);
    if (got == 0) break;
    length += static_cast<size_t>(got);
  }
  return static_cast<i64>(length);
}

}  // namespace fathom::io
